# The format of these cases is at the head of tests/unit/test_ops.c.

Add
[2,3] 1 2 3 4 5 6
[3] 10 20 30
= [2,3] 11 22 33 14 25 36

Add
[2] 1 2
[3] 1 2 3
! [2] and [3] do not broadcast

Add
f32[2] 1 2
f16[2] 1 2
! float32 and float16

Add
bool[1] 1
bool[1] 1
! not for type bool

Add
i8[2] 127 -128
i8[2] 1 -1
= i8[2] -128 127

Add
[?,3]
[4,1]
= [4,3]

Add 6
broadcast = 1
axis = 0
[2,3] 1 2 3 4 5 6
[2] 10 20
= [2,3] 11 12 13 24 25 26

Sub
u64[2] 18446744073709551615 0
u64[1] 1
= u64[2] 18446744073709551614 18446744073709551615

Sub 6
broadcast = 1
[2,2] 1 2 3 4
[2] 1 1
= [2,2] 0 1 2 3

Mul
[2,1] 2 3
[1,2] 5 7
= [2,2] 10 14 15 21

Mul
f16[2] 1.5 3
f16[] 2
= f16[2] 3 6

Mul 6
broadcast = 1
axis = 1
[1,2,2] 1 2 3 4
[2] 2 3
= [1,2,2] 2 4 9 12

Div
i32[4] 7 -7 5 -2147483648
i32[4] 2 2 0 -1
= i32[4] 3 -3 0 -2147483648

Div
u64[1] 18446744073709551615
u64[1] 2
= u64[1] 9223372036854775807

Div 6
[2] 1 3
[2] 2 4
= [2] 0.5 0.75

Pow
[3] 2 3 4
i64[3] 3 2 0
= [3] 8 9 1

Pow
i32[3] 2 -3 2
i32[3] 10 3 -1
= i32[3] 1024 -27 0

Pow
i32[1] 4
[1] 0.5
= i32[1] 2

Pow 6
broadcast = 1
[2] 2 3
[] 2
= [2] 4 9

Mod
i64[4] -4 7 5 4
i64[4] 2 -3 8 0
= i64[4] 0 -2 5 0

Mod
fmod = 1
[2] -4.3 5
[2] 3 -3
= [2] -1.3 2

PRelu
[2,2] -1 2 -3 4
[2] 10 100
= [2,2] -10 2 -30 4

PRelu 6
[2] -1 2
[1] 3
= [2] -3 2

BitwiseAnd
i32[2] 12 -1
i32[2] 10 7
= i32[2] 8 7

BitwiseOr
u8[2] 12 1
u8[2] 10 2
= u8[2] 14 3

BitwiseXor
i16[2] 12 -1
i16[2] 10 0
= i16[2] 6 -1

BitwiseAnd
[1] 1
[1] 1
! not for type float32

BitwiseNot
u8[2] 0 254
= u8[2] 255 1

BitShift
direction = LEFT
u8[3] 16 4 1
u8[3] 1 2 8
= u8[3] 32 16 0

BitShift
direction = RIGHT
u8[3] 16 4 1
u8[3] 1 2 3
= u8[3] 8 1 0

BitShift
direction = UP
u8[1] 1
u8[1] 1
! direction 'UP'

Equal
i64[3] 1 2 9007199254740993
i64[3] 1 3 9007199254740992
= bool[3] 1 0 0

Equal
string[2] abc d
string[2] abc e
= bool[2] 1 0

Equal 6
broadcast = 1
i32[2] 1 2
i32[1] 1
= bool[2] 1 0

Greater
u8[2] 200 1
u8[2] 100 2
= bool[2] 1 0

Greater 6
[2] 1 3
[2] 2 2
= bool[2] 0 1

Less
[3] 1 nan 3
[3] 2 2 3
= bool[3] 1 0 0

Less 6
[1] 1
[1] 2
= bool[1] 1

GreaterOrEqual
u64[1] 9223372036854775808
u64[1] 1
= bool[1] 1

LessOrEqual
i32[3] 1 2 3
i32[1] 2
= bool[3] 1 1 0

And
bool[4] 0 0 1 1
bool[4] 0 1 0 1
= bool[4] 0 0 0 1

And
[1] 1
[1] 1
! type float32

And 6
broadcast = 1
bool[2] 0 1
bool[1] 1
= bool[2] 0 1

Or
bool[4] 0 0 1 1
bool[4] 0 1 0 1
= bool[4] 0 1 1 1

Or 6
bool[2] 0 1
bool[2] 0 0
= bool[2] 0 1

Xor
bool[4] 0 0 1 1
bool[4] 0 1 0 1
= bool[4] 0 1 1 0

Xor 6
bool[2] 0 1
bool[2] 1 1
= bool[2] 1 0

Min
[3] 1 5 nan
[3] 4 2 0
[1] 3
= [3] 1 2 nan

Max
u64[2] 18446744073709551615 0
u64[2] 1 1
= u64[2] 18446744073709551615 1

Sum
[2] 1 2
[1] 10
[2] 100 200
= [2] 111 212

Mean
[2] 1 2
[2] 3 4
= [2] 2 3

Mean
i32[1] 1
! not for type int32

Where
bool[2,1] 1 0
i64[2] 1 2
i64[1] 9
= i64[2,2] 1 2 9 9

Where
bool[2] 1 0
string[2] a b
string[2] c d
= string[2] a d

SwiGLU
[2] 0 1
[2] 5 2
= [2] 0 1.46211716

SwiGLU
[2] 0 1
[1] 5
! [2] and [1]

Max
[1] 1
-
! input 1 is left out
