# The format of these cases is at the head of tests/unit/test_ops.c.

MaxPool
kernel_shape = [2]
[1,1,4] 1 3 2 4
= [1,1,3] 3 3 4
= i64[1,1,3] 1 1 3

MaxPool
kernel_shape = [2]
strides = [2]
ceil_mode = 1
[1,1,3] 1 3 2
= [1,1,2] 3 2

MaxPool
[1,1,3] 1 3 2
! no kernel_shape

AveragePool
kernel_shape = [2]
pads = [1,1]
[1,1,2] 2 4
= [1,1,3] 2 3 4

AveragePool
kernel_shape = [2]
pads = [1,1]
count_include_pad = 1
[1,1,2] 2 4
= [1,1,3] 1 3 2

LpPool
kernel_shape = [2]
[1,1,3] 3 4 0
= [1,1,2] 5 4

LpPool 1
kernel_shape = [2]
p = 1.0
[1,1,3] 3 4 0
= [1,1,2] 7 4

GlobalMaxPool
[1,2,2] 1 3 2 0
= [1,2,1] 3 2

GlobalAveragePool
[1,2,2] 1 3 2 0
= [1,2,1] 2 1

GlobalLpPool
[1,1,2] 3 4
= [1,1,1] 5

GlobalLpPool 1
p = 1.0
[1,1,2] 3 4
= [1,1,1] 7

MaxUnpool
kernel_shape = [2]
strides = [2]
[1,1,2] 5 6
i64[1,1,2] 1 2
= [1,1,4] 0 5 6 0

MaxUnpool
kernel_shape = [2]
strides = [2]
[1,1,2] 5 6
i64[1,1,2] 1 9
! index 9 of [1,1,4]
