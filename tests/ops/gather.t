# The format of these cases is at the head of tests/unit/test_ops.c.

Gather
[3,2] 1 2 3 4 5 6
i64[2] 2 -3
= [2,2] 5 6 1 2

Gather
axis = 1
int4[2,3] 1 2 3 4 5 6
i32[1] 1
= int4[2,1] 2 5

Gather
[2] 1 2
i64[1] 2
! index 2 of 2

GatherElements
axis = 1
[2,2] 1 2 3 4
i64[2,2] 0 0 1 0
= [2,2] 1 1 4 3

GatherElements
axis = 1
[1,2] 1 2
i64[2,1] 0 0
! indices [2,1] for [1,2]

ScatterElements
axis = 1
[1,5] 1 2 3 4 5
i64[1,2] 1 -1
[1,2] 10 20
= [1,5] 1 10 3 4 20

ScatterElements
reduction = add
i64[2] 1 2
i64[3] 1 1 0
i64[3] 5 6 7
= i64[2] 8 13

ScatterElements
reduction = guess
[1] 1
i64[1] 0
[1] 1
! reduction 'guess'

Scatter
[3] 1 2 3
i64[1] 2
[1] 9
= [3] 1 2 9

GatherND
[2,2] 1 2 3 4
i64[2,2] 0 0 1 1
= [2] 1 4

GatherND
batch_dims = 1
[2,2,2] 1 2 3 4 5 6 7 8
i64[2,1] 1 0
= [2,2] 3 4 5 6

GatherND
batch_dims = 2
[2] 1 2
i64[1,1] 0
! batch_dims 2

ScatterND
[4] 1 2 3 4
i64[2,1] 1 -1
[2] 9 10
= [4] 1 9 3 10

ScatterND
[2,2] 1 2 3 4
i64[1,1] 2
[1,2] 5 6
! index 2 of 2

ScatterND
[2,2] 1 2 3 4
i64[1,1] 1
[1,1] 5
! updates [1,1]
