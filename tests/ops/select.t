# The format of these cases is at the head of tests/unit/test_ops.c.

OneHot
i64[2] 1 -1
i64[] 3
i64[2] 5 7
= i64[2,3] 5 7 5 5 5 7

OneHot
axis = 0
i64[2] 0 9
i64[] 2
[2] 0 1
= [2,2] 1 0 0 0

OneHot
i64[1] 0
i64[] -3
[2] 0 1
! depth -3

EyeLike
k = 1
i32[2,3] 0 0 0 0 0 0
= i32[2,3] 0 1 0 0 0 1

EyeLike
dtype = 1
i32[1] 0
! wanted rank 2

Compress
axis = 1
[2,3] 1 2 3 4 5 6
bool[2] 0 1
= [2,1] 2 5

Compress
string[3] a b c
bool[3] 1 0 1
= string[2] a c

NonZero
[2,2] 1 0 0 -1
= i64[2,2] 0 1 0 1

Unique
[6] 2 1 1 3 4 3
= [4] 1 2 3 4
= i64[4] 1 0 3 4
= i64[6] 1 0 0 2 3 2
= i64[4] 2 1 2 1

Unique
sorted = 0
i64[6] 2 1 1 3 4 3
= i64[4] 2 1 3 4
= i64[4] 0 1 3 4
= i64[6] 0 1 1 2 3 2
= i64[4] 1 2 2 1

Unique
axis = 0
[3,2] 1 0 1 0 2 3
= [2,2] 1 0 2 3
= i64[2] 0 2
