# The format of these cases is at the head of tests/unit/test_ops.c.

Identity
string[2] a b
= string[2] a b

Reshape
[2,3] 1 2 3 4 5 6
i64[2] 3 -1
= [3,2] 1 2 3 4 5 6

Reshape
[2,3] 1 2 3 4 5 6
i64[2] 0 3
= [2,3] 1 2 3 4 5 6

Reshape
[2,3] 1 2 3 4 5 6
i64[2] 4 -1
! [2,3] as [4,?]

Reshape
[2] 1 2
i64[2] -1 -1
! two dimensions of -1

Reshape
[?,?,64]
i64[3] 0 0 -1
= [?,?,64]

Reshape
[?,?,64]
i64[4] 0 0 8 -1
= [?,?,8,8]

Reshape
allowzero = 1
[0,3]
i64[2] 3 0
= [3,0]

Reshape 4
shape = [4]
[2,2] 1 2 3 4
= [4] 1 2 3 4

Flatten
[2,1,2] 1 2 3 4
= [2,2] 1 2 3 4

Flatten
axis = -1
[2,1,2] 1 2 3 4
= [2,2] 1 2 3 4

Flatten
axis = 4
[2] 1 2
! axis 4 of rank 1

Squeeze
[1,2,1] 1 2
= [2] 1 2

Squeeze
[1,2,1] 1 2
i64[1] -1
= [1,2] 1 2

Squeeze
[1,2] 1 2
i64[1] 1
! axis 1 of [1,2]

Squeeze 11
axes = [0]
[1,2] 1 2
= [2] 1 2

Unsqueeze
[2] 1 2
i64[2] 0 -1
= [1,2,1] 1 2

Unsqueeze
[2] 1 2
i64[2] 0 0
! axis 0 twice

Unsqueeze 11
axes = [1]
[2] 1 2
= [2,1] 1 2

Shape
[2,3] 1 2 3 4 5 6
= i64[2] 2 3

Shape
start = -1
[2,3] 1 2 3 4 5 6
= i64[1] 3

Size
[2,3] 1 2 3 4 5 6
= i64[] 6

Constant
value_ints = [1,2]
= i64[2] 1 2

Constant
value = f16[2] 1 2
= f16[2] 1 2

Constant
value_float = 0.5
= [] 0.5

Constant
! no value

ConstantOfShape
i64[2] 1 2
= [1,2] 0 0

ConstantOfShape
value = i64[1] 7
i64[1] 3
= i64[3] 7 7 7

ConstantOfShape
i64[1] -3
! dimension 0: -3

ConstantOfShape
i64[3] 9223372036854775807 4 4
! is too large

Expand
[2,1] 1 2
i64[3] 2 1 2
= [2,2,2] 1 1 2 2 1 1 2 2

Expand
[2] 1 2
i64[1] 3
! do not broadcast

Range
i64[] 3
i64[] 9
i64[] 3
= i64[2] 3 6

Range
[1] 1
[1] 0
[1] -0.25
= [4] 1 0.75 0.5 0.25

Range
i64[] 3
i64[] 9
i64[] 0
! from 3 to 9 by 0
