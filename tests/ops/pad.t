# The format of these cases is at the head of tests/unit/test_ops.c.

Pad
[3] 1 2 3
i64[2] 1 -1
[] 9
= [3] 9 1 2

Pad
mode = reflect
[3] 1 2 3
i64[2] 2 2
= [7] 3 2 1 2 3 2 1

Pad
mode = edge
[2,2] 1 2 3 4
i64[2] 1 0
-
i64[1] 1
= [2,3] 1 1 2 3 3 4

Pad
mode = wrap
[3] 1 2 3
i64[2] 1 1
= [5] 3 1 2 3 1

Pad
[3] 1 2 3
i64[1] 1
! 1 pads for 1 axes

Pad
[3] 1 2 3
i64[2] -4 0
! pads -4, 0 of [3]

Pad 10
pads = [1,0]
value = 5.0
[2] 1 2
= [3] 5 1 2

Pad 1
paddings = [0,1]
[2] 1 2
= [3] 1 2 0

CenterCropPad
[4] 1 2 3 4
i64[1] 2
= [2] 2 3

CenterCropPad
axes = [1]
[1,2] 1 2
i64[1] 5
= [1,5] 0 1 2 0 0

DepthToSpace
blocksize = 2
[1,4,1,2] 1 2 3 4 5 6 7 8
= [1,1,2,4] 1 3 2 4 5 7 6 8

DepthToSpace
blocksize = 3
[1,4,1,1] 1 2 3 4
! in blocks of 3

SpaceToDepth
blocksize = 2
[1,1,2,4] 1 3 2 4 5 7 6 8
= [1,4,1,2] 1 2 3 4 5 6 7 8

ReverseSequence
[3,2] 1 2 3 4 5 6
i64[2] 2 3
= [3,2] 3 6 1 4 5 2

ReverseSequence
[1,1] 1
i64[1] 2
! length 2 of 1

ReverseSequence
time_axis = 9223372036854775807
[1,1] 1
i64[1] 1
! time_axis 9223372036854775807
