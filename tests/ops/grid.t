# The format of these cases is at the head of tests/unit/test_ops.c.

# between the middles of 1 and 3; and outside
GridSample
[1,1,1,2] 1 3
[1,1,2,2] 0 0 5 0
= [1,1,1,2] 2 0

GridSample
padding_mode = border
mode = nearest
[1,1,1,2] 1 3
[1,1,2,2] -0.6 0 5 0
= [1,1,1,2] 1 3

GridSample
padding_mode = reflection
align_corners = 1
[1,1,3] 1 2 4
[1,1,1] 2
= [1,1,1] 2

GridSample 16
mode = bicubic
align_corners = 1
[1,1,1,3] 1 2 4
[1,1,1,2] 0 0
= [1,1,1,1] 2

GridSample
mode = guess
[1,1,1,1] 1
[1,1,1,2] 0 0
! mode 'guess'

AffineGrid
align_corners = 1
[1,2,3] 1 0 0 0 1 0.5
i64[4] 1 1 1 2
= [1,1,2,2] -1 0.5 1 0.5

AffineGrid
[1,4,5]
i64[6] 1 1 1 1 1 1
! theta [1,4,5]

DeformConv
[1,1,1,2] 1 3
[1,1,1,1] 2
[1,2,1,2] 0 0 0.5 -0.5
= [1,1,1,2] 4 4

DeformConv
[1,1,1,1] 1
[1,1,1,1] 2
[1,1,1,1] 0
! offset [1,1,1,1]
