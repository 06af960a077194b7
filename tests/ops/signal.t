# The format of these cases is at the head of tests/unit/test_ops.c.

DFT
[1,4,1] 1 2 3 4
= [1,4,2] 10 0 -2 2 -2 0 -2 -2

DFT
onesided = 1
[1,4,1] 1 2 3 4
= [1,3,2] 10 0 -2 2 -2 0

DFT 17
inverse = 1
[1,2,2] 3 0 -1 0
= [1,2,2] 1 0 2 0

DFT
[1,4,1] 1 2 3 4
-
i64[] -1
! axis -1 of [1,4,1]

STFT
[1,4,1] 1 2 3 4
i64[] 2
[2] 1 1
= [1,2,2,2] 3 0 -1 0 7 0 -1 0

STFT
[1,1,1] 1
i64[] 2
-
i64[] 2
! frames of 2 from 1

HannWindow
i64[] 4
= [4] 0 0.5 1 0.5

HammingWindow
periodic = 0
i64[] 3
= [3] 0.08695652 1 0.08695652

BlackmanWindow
i64[] 2
= [2] 0 1

HannWindow
i64[] -2
! size -2

MelWeightMatrix
i64[] 1
i64[] 4
i64[] 4
[] 0
[] 3
= [3,1] 0 1 0

Det
[2,2] 1 2 3 4
= [] -2

Det
[2,3] 1 2 3 4 5 6
! not square
