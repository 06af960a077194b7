# The format of these cases is at the head of tests/unit/test_ops.c.

QuantizeLinear
[4] 0 2 3 1000
[] 2
u8[] 128
= u8[4] 128 129 130 255

QuantizeLinear
axis = 0
output_dtype = 22
[2,2] 1 2 3 -100
[2] 1 2
= int4[2,2] 1 2 2 -8

QuantizeLinear
axis = 1
block_size = 2
output_dtype = 3
[1,4] 1 2 30 40
[1,2] 1 10
= i8[1,4] 1 2 3 4

QuantizeLinear
[2] 1 2
[3] 1 2 3
! axis 1 of rank 1

DequantizeLinear
axis = 0
i8[2,2] 1 2 3 4
f16[2] 0.5 2
i8[2] 0 1
= f16[2,2] 0.5 1 4 6

DequantizeLinear
axis = 1
block_size = 2
uint4[1,4] 1 2 3 4
[1,2] 1 10
= [1,4] 1 2 30 40

QuantizeLinear 1 com.microsoft
[1] 3
[] 1
u16[] 60000
= u16[1] 60003

DequantizeLinear 1 com.microsoft
u16[1] 60003
[] 1
u16[] 60000
= [1] 3

DynamicQuantizeLinear
[4] 0 2 -3 -2.5
= u8[4] 153 255 0 26
= [] 0.01960784
= u8[] 153

MatMulInteger
u8[1,2] 3 4
i8[2,1] -1 2
u8[] 1
= i32[1,1] 4

QLinearMatMul
u8[1,2] 3 4
[] 0.5
u8[] 1
u8[2,1] 1 2
[] 2
u8[] 0
[] 0.25
u8[] 10
= u8[1,1] 42
