# The format of these cases is at the head of tests/unit/test_ops.c.

Transpose
[2,3] 1 2 3 4 5 6
= [3,2] 1 4 2 5 3 6

Transpose
perm = [1,0,2]
int4[2,2,1] 1 2 3 4
= int4[2,2,1] 1 3 2 4

Transpose
perm = [0,0]
[1,1] 1
! perm has axis 0 twice

Slice
[2,4] 1 2 3 4 5 6 7 8
i64[1] 1
i64[1] 1000
i64[1] 1
i64[1] 2
= [2,2] 2 4 6 8

Slice
[4] 1 2 3 4
i64[1] -1
i64[1] -9223372036854775808
i64[1] 0
i64[1] -1
= [4] 4 3 2 1

Slice
[4] 1 2 3 4
i64[1] 0
i64[1] 1
i64[1] 0
i64[1] 0
! step 0

Slice
[?,4]
i64[1] 1
i64[1] 3
i64[1] 1
= [?,2]

Slice 9
starts = [1]
ends = [3]
axes = [0]
[4] 1 2 3 4
= [2] 2 3

Concat
axis = 1
[2,1] 1 2
[2,2] 3 4 5 6
= [2,3] 1 3 4 2 5 6

Concat
axis = 0
[2,1] 1 2
[2,2] 3 4 5 6
! on axis 0

Split
axis = 1
[2,3] 1 2 3 4 5 6
i64[2] 1 2
= [2,1] 1 4
= [2,2] 2 3 5 6

Split
num_outputs = 2
[5] 1 2 3 4 5
= [3] 1 2 3
= [2] 4 5

Split
[3] 1 2 3
i64[2] 1 1
= [1] 1
= [1] 2
! parts of 2 from 3

Split 13
[4] 1 2 3 4
= [2] 1 2
= [2] 3 4

Split 11
split = [1,3]
[4] 1 2 3 4
= [1] 1
= [3] 2 3 4

Tile
[2,2] 1 2 3 4
i64[2] 1 2
= [2,4] 1 2 1 2 3 4 3 4

Tile
[2,1] 1 2
i64[2] 2 3
= [4,3] 1 1 1 2 2 2 1 1 1 2 2 2

Trilu
[3,3] 1 2 3 4 5 6 7 8 9
= [3,3] 1 2 3 0 5 6 0 0 9

Trilu
upper = 0
i64[2,3] 1 2 3 4 5 6
i64[] -1
= i64[2,3] 0 0 0 4 0 0

Trilu
[2,2] 1 2 3 4
i64[] 5
= [2,2] 0 0 0 0
