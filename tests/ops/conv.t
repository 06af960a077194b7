# The format of these cases is at the head of tests/unit/test_ops.c.

Conv
[1,1,4] 1 2 3 4
[1,1,2] 10 1
= [1,1,3] 12 23 34

Conv
strides = [2]
pads = [1,1]
dilations = [2]
[1,1,3] 1 2 3
[1,1,2] 1 1
[1] 100
= [1,1,2] 102 102

Conv
group = 2
[1,2,2] 1 2 3 4
[2,1,1] 10 100
= [1,2,2] 10 20 300 400

Conv
auto_pad = SAME_UPPER
[1,1,2,2] 1 2 3 4
[1,1,2,2] 1 1 1 1
= [1,1,2,2] 10 6 7 4

Conv
[1,1,2] 1 2
[1,2,1] 1 1
! in 1 groups

Conv
[1,1,2] 1 2
[1,1,3] 1 1 1
! kernel reaches 3 of 2

ConvTranspose
strides = [2]
[1,1,2] 1 2
[1,1,2] 10 1
= [1,1,4] 10 1 20 2

ConvTranspose
output_shape = [3]
strides = [2]
[1,1,2] 1 2
[1,1,2] 10 1
[1] 100
= [1,1,3] 101 120 102

ConvInteger
u8[1,1,3] 2 3 4
u8[1,1,2] 1 1
u8[] 1
= i32[1,1,2] 3 5

QLinearConv
u8[1,1,2] 10 20
[] 0.5
u8[] 0
u8[1,1,1] 3
[] 2
u8[] 1
[] 4
u8[] 5
= u8[1,1,2] 10 15

Col2Im
[1,2,2] 1 2 3 4
i64[1] 3
i64[1] 2
= [1,1,3] 1 5 4
