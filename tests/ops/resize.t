# The format of these cases is at the head of tests/unit/test_ops.c.

Resize
mode = nearest
[1,1,2] 1 2
-
[3] 1 1 2
= [1,1,4] 1 1 2 2

Resize
mode = linear
coordinate_transformation_mode = align_corners
[1,1,2] 0 3
-
-
i64[3] 1 1 4
= [1,1,4] 0 1 2 3

Resize
mode = cubic
[1,1,4] 1 2 3 4
-
[3] 1 1 0.5
= [1,1,2] 1.40625 3.59375

Resize
mode = guess
[1] 1
-
[1] 1
! mode 'guess'

Resize
[1] 1
-
[1] 0
! scale 0

Resize 10
[1,2] 1 2
[2] 1 2
= [1,4] 1 1 2 2

Upsample 9
[1,2] 1 2
[2] 1 2
= [1,4] 1 1 2 2

Upsample 7
scales = [1.0,2.0]
[1,2] 1 2
= [1,4] 1 1 2 2
