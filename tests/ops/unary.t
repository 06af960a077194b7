# The format of these cases is at the head of tests/unit/test_ops.c.

Neg
i8[3] 1 0 -128
= i8[3] -1 0 -128

Abs
[3] -1 0 2
= [3] 1 0 2

Abs
string[1] a
! not for type string

Relu
[4] -1 0 2 nan
= [4] 0 0 2 nan

Relu
bf16[2] -1 1.5
= bf16[2] 0 1.5

Sign
i32[3] -5 0 9
= i32[3] -1 0 1

Sqrt
[3] 4 2 -1
= [3] 2 1.41421356 nan

Reciprocal
[2] 4 0
= [2] 0.25 inf

Exp
[3] 0 1 -inf
= [3] 1 2.71828183 0

Log
[2] 1 2.71828183
= [2] 0 1

Sin
[2] 0 1.57079633
= [2] 0 1

Cos
[2] 0 3.14159265
= [2] 1 -1

Tan
[1] 0.78539816
= [1] 1

Asin
[1] 1
= [1] 1.57079633

Acos
[1] 1
= [1] 0

Atan
[1] 1
= [1] 0.78539816

Sinh
[1] 1
= [1] 1.17520119

Cosh
[1] 1
= [1] 1.54308063

Tanh
[2] 0 1
= [2] 0 0.76159416

Asinh
[1] 1
= [1] 0.88137359

Acosh
[1] 2
= [1] 1.31695790

Atanh
[1] 0.5
= [1] 0.54930614

Floor
[2] 1.5 -1.5
= [2] 1 -2

Ceil
[2] 1.5 -1.5
= [2] 2 -1

Round
[4] 0.5 1.5 2.5 -1.5
= [4] 0 2 2 -2

Erf
[2] 0 1
= [2] 0 0.84270079

Sigmoid
[3] 0 -1000 1000
= [3] 0.5 0 1

Softplus
[3] 0 -1000 1000
= [3] 0.69314718 0 1000

Softsign
[2] 1 -3
= [2] 0.5 -0.75

Gelu
[3] -1 0 1
= [3] -0.15865525 0 0.84134475

Gelu
approximate = tanh
[2] -1 1
= [2] -0.15880801 0.84119199

Gelu
approximate = guess
[1] 1
! approximate 'guess'

Gelu 1 com.microsoft
[1] 1
= [1] 0.84134475

QuickGelu 1 com.microsoft
[2] 0 1
= [2] 0 0.84579577

Mish
[1] 1
= [1] 0.86509839

HardSwish
[3] -4 0 3
= [3] 0 0 3

Swish
alpha = 2.0
[1] 1
= [1] 0.88079708

Elu
alpha = 2.0
[2] -1 1
= [2] -1.26424112 1

Celu
alpha = 2.0
[2] -1 1
= [2] -0.78693868 1

LeakyRelu
[2] -1 1
= [2] -0.01 1

ThresholdedRelu
alpha = 2.0
[3] 1 2 3
= [3] 0 0 3

Selu
[2] -1 1
= [2] -1.11133074 1.05070102

HardSigmoid
[3] -5 0 1
= [3] 0 0.5 0.7

Shrink
lambd = 1.5
bias = 1.0
[3] -2 0 2
= [3] -1 0 1

IsNaN
[3] 1 nan inf
= bool[3] 0 1 0

IsInf
detect_negative = 0
[3] inf -inf 1
= bool[3] 1 0 0

Clip
[3] -5 0 5
[] -1
[] 1
= [3] -1 0 1

Clip
u8[3] 0 100 255
-
u8[] 200
= u8[3] 0 100 200

Clip 6
min = -1.0
[2] -5 5
= [2] -1 5

Clip
[1] 1
[2] 1 2
! bounds are not scalars

Not
bool[2] 0 1
= bool[2] 1 0

Not
[1] 1
! type float32
