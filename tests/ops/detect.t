# The format of these cases is at the head of tests/unit/test_ops.c.

NonMaxSuppression
[1,3,4] 0 0 1 1 0 0.1 1 1.1 0 10 1 11
[1,1,3] 0.9 0.75 0.6
i64[] 3
[] 0.5
[] 0
= i64[2,3] 0 0 0 0 0 2

NonMaxSuppression
[1,1,4] 0 0 1 1
[1,1,1] 0.9
= i64[0,3]

RoiAlign
output_height = 1
output_width = 1
sampling_ratio = 1
[1,1,2,2] 1 2 3 4
[1,4] 0.5 0.5 1.5 1.5
i64[1] 0
= [1,1,1,1] 2.5

RoiAlign 10
output_height = 1
output_width = 1
sampling_ratio = 1
[1,1,2,2] 1 2 3 4
[1,4] 0 0 1 1
i64[1] 0
= [1,1,1,1] 2.5

RoiAlign
[1,1,1,1] 1
[1,4] 0 0 1 1
i64[1] 1
! batch index 1
