# The format of these cases is at the head of tests/unit/test_ops.c.

# to: 1 float32, 3 int8, 6 int32, 7 int64, 8 string, 9 bool, 10 float16,
# 16 bfloat16, 17 float8e4m3fn

Cast
to = 7
[3] 1.9 -1.9 3
= i64[3] 1 -1 3

Cast
to = 9
[3] 0 0.5 -1
= bool[3] 0 1 1

Cast
to = 10
[4] 65504 65536 1e-8 0.1
= f16[4] 65504 inf 0 0.09997559

Cast
to = 16
[2] 1.00390625 1.01171875
= bf16[2] 1 1.015625

Cast
to = 17
[5] 1 448 1000 0.001953125 -0.0009
= float8e4m3fn[5] 1 448 448 0.001953125 0

Cast
to = 17
saturate = 0
[2] 448 1000
= float8e4m3fn[2] 448 nan

Cast
to = 20
[2] 1 100000
= float8e5m2fnuz[2] 1 57344

Cast
to = 22
i32[3] 1 -8 7
= int4[3] 1 -8 7

Cast
to = 1
string[2] 1.5 -2
= [2] 1.5 -2

Cast
to = 1
string[1] abc
! 'abc' is not a number

Cast
to = 8
i64[2] 1 -2
= string[2] 1 -2

Cast
to = 99
[1] 1
! to type 99

CastLike
[2] 1.5 2.5
i32[1] 0
= i32[2] 1 2

Cast
to = 24
[3] 1 1.25 3
= float8e8m0[3] 1 2 4

Cast
to = 24
round_mode = down
[2] 1.75 3
= float8e8m0[2] 1 2

BitCast
to = 6
[2] 1 -0
= i32[2] 1065353216 -2147483648

BitCast
to = 7
[1] 1
! float32 to int64
