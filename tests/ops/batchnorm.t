# The format of these cases is at the head of tests/unit/test_ops.c.

BatchNormalization
epsilon = 0.0
[1,2,2] 1 3 5 7
[2] 2 1
[2] 10 0
[2] 1 5
[2] 4 1
= [1,2,2] 10 12 0 2

BatchNormalization
training_mode = 1
epsilon = 0.0
momentum = 0.5
[2,1] 1 3
[1] 1
[1] 0
[1] 0
[1] 3
= [2,1] -1 1
= [1] 1
= [1] 2

BatchNormalization 9
epsilon = 0.0
[1,1] 3
[1] 1
[1] 0
[1] 1
[1] 4
= [1,1] 1

InstanceNormalization
epsilon = 0.0
[1,2,2] 1 3 2 6
[2] 1 2
[2] 0 1
= [1,2,2] -1 1 -1 3

GroupNormalization
num_groups = 1
epsilon = 0.0
[1,2,1] 1 3
[2] 1 2
[2] 0 10
= [1,2,1] -1 12

GroupNormalization 18
num_groups = 1
epsilon = 0.0
[1,2,1] 1 3
[1] 2
[1] 1
= [1,2,1] -1 3

GroupNormalization
num_groups = 3
[1,2,1] 1 3
[2] 1 2
[2] 0 10
! 3 groups of [1,2,1]

LRN
size = 3
alpha = 3.0
beta = 1.0
bias = 1.0
[1,2,1] 1 2
= [1,2,1] 0.16666667 0.33333333

LpNormalization
[1,2] 3 4
= [1,2] 0.6 0.8

LpNormalization
p = 3
[1] 1
! p 3

MeanVarianceNormalization
axes = [0]
[2] 1 3
= [2] -1 1

Dropout
[2] 1 2
= [2] 1 2
= bool[2] 1 1

Dropout
[2] 1 2
[] 0.5
bool[] 1
! training is not supported

Dropout 11
ratio = 0.5
[2] 1 2
= [2] 1 2
= bool[2] 1 1

Dropout 7
[2] 1 2
= [2] 1 2
= [2] 1 1
