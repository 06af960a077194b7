# The format of these cases is at the head of tests/unit/test_ops.c.

Softmax
[2,2] 0 0 1000 0
= [2,2] 0.5 0.5 1 0

Softmax
axis = 0
[2,1] 0 1
= [2,1] 0.26894142 0.73105858

Softmax 11
axis = 0
[2,2] 0 0 0 0
= [2,2] 0.25 0.25 0.25 0.25

Softmax
axis = 2
[2] 0 0
! axis 2 of rank 1

LogSoftmax
[2] 0 0
= [2] -0.69314718 -0.69314718

LogSoftmax 11
[1,2] 0 0
= [1,2] -0.69314718 -0.69314718

Hardmax
[2,3] 1 3 3 2 0 1
= [2,3] 0 1 0 1 0 0

Hardmax 11
axis = 0
[2,2] 1 2 3 0
= [2,2] 0 0 1 0

LayerNormalization
epsilon = 0.0
[2,2] 1 3 2 6
[2] 1 2
[2] 0 1
= [2,2] -1 3 -1 3
= [2,1] 2 4
= [2,1] 1 0.5

LayerNormalization
[2,2] 1 3 2 6
[3] 1 2 3
! do not broadcast

RMSNormalization
epsilon = 0.0
[1,2] 3 4
[2] 1 1
= [1,2] 0.84852814 1.13137085
