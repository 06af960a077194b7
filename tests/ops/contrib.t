# The format of these cases is at the head of tests/unit/test_ops.c.

FastGelu 1 com.microsoft
[2] 0 0.5
[2] 1 0.5
= [2] 0.84119199 0.84119199

BiasGelu 1 com.microsoft
[1] 0.5
[1] 0.5
= [1] 0.84134475

BiasGelu 1 com.microsoft
[2] 1 2
[3] 1 2 3
! bias [3] for [2]

SimplifiedLayerNormalization
epsilon = 0.0
[1,2] 3 4
[2] 1 1
= [1,2] 0.84852814 1.13137085

SkipLayerNormalization 1 com.microsoft
epsilon = 0.0
[1,2] 1 2
[1,2] 0 1
[2] 1 2
[2] 0 10
= [1,2] -1 12
= -
= -
= [1,2] 1 3

SkipSimplifiedLayerNormalization 1 com.microsoft
epsilon = 0.0
[1,2] 1 2
[1,2] 1 1
[2] 1 1
[2] 1 1
= [1,2] 0.84852814 1.13137085

SkipLayerNormalization 1 com.microsoft
[1,2] 1 2
[1,3] 1 2 3
[2] 1 1
! skip [1,3]

# 0x99: two nines, 9 - 8 = 1
MatMulNBits 1 com.microsoft
K = 16
N = 2
bits = 4
block_size = 16
[1,16] 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1
u8[2,1,8] 153 153 153 153 153 153 153 153 153 153 153 153 153 153 153 154
[2,1] 1 2
= [1,2] 16 34

# two blocks with zero points 9 and 8, and a group for each k
MatMulNBits 1 com.microsoft
K = 32
N = 1
block_size = 16
[1,32] 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1
u8[1,2,8] 153 153 153 153 153 153 153 153 153 153 153 153 153 153 153 153
[2] 1 1
u8[1] 137
= [1,1] 16

MatMulNBits 1 com.microsoft
K = 16
N = 1
block_size = 12
[1,16] 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1
u8[1,1,8] 153 153 153 153 153 153 153 153
[1,1] 1
! blocks of 12

# one expert of identity matrices: 129 - 128 = 1
QMoE 1 com.microsoft
k = 1
expert_weight_bits = 8
activation_type = identity
[1,2] 3 4
[1,2] 0 5
u8[2,2,2] 128 128 128 128 129 128 128 129
[2,2] 1 1 1 1
-
u8[2,2,2] 128 128 128 128 129 128 128 129
[2,2] 1 1 1 2
= [1,2] 3 8

QMoE 1 com.microsoft
k = 3
[1,2] 3 4
[1,2] 0 5
u8[2,2,1] 0 0 0 0
[2,2] 1 1 1 1
-
u8[2,2,1] 0 0 0 0
[2,2] 1 1 1 1
! router [1,2]

# packed q, k, v of one head; the second step of two
GroupQueryAttention 1 com.microsoft
num_heads = 1
kv_num_heads = 1
scale = 1.0
[1,1,3] 1 1.09861229 8
-
-
[1,1,1,1] 0
[1,1,1,1] 4
i32[1] 1
i32[] 2
= [1,1,1] 7
= [1,1,2,1] 0 1.09861229
= [1,1,2,1] 4 8

# prompt; a local window of one sees itself only
GroupQueryAttention 1 com.microsoft
num_heads = 2
kv_num_heads = 1
local_window_size = 1
[1,2,2] 1 1 1 1
[1,2,1] 1 1
[1,2,1] 4 8
-
-
i32[1] 1
i32[] 2
= [1,2,2] 4 4 8 8

GroupQueryAttention 1 com.microsoft
num_heads = 3
kv_num_heads = 2
[1,1,3] 1 1 1
-
-
-
-
i32[1] 0
i32[] 1
! 3 heads, 2 of keys

# row (t, j) of x, or its only one, by the matrix that index names
ExpertMatMul 1 qeff
[2,1,2] 1 2 3 4
[3,2,2] 1 0 0 1 2 0 0 2 1 1 1 1
i64[2,2] 0 1 2 0
= [2,2,2] 1 2 2 4 7 7 3 4

ExpertMatMul 1 qeff
[1,2,1] 3 5
[2,1,2] 1 2 10 20
i64[1,2] 1 0
= [1,2,2] 30 60 5 10

ExpertMatMul 1 qeff
[1,2,1] 3 5
[2,1,2] 1 2 10 20
i64[1,2] 1 2
! matrix 2 of 2

ExpertMatMul 1 qeff
[1,2,1] 3 5
[2,2,2] 1 2 10 20 1 2 10 20
i64[1,2] 1 1
! chosen by

FusedMatMul 1 com.microsoft
alpha = 0.5
transB = 1
[1,2] 1 2
[1,2] 3 4
= [1,1] 5.5

FusedMatMul 1 com.microsoft
transBatchA = 1
[1,2] 1 2
[2,1] 3 4
! transBatchA

MultiHeadAttention 1 com.microsoft
num_heads = 1
[1,1,1] 0
[1,2,1] 1 2
[1,2,1] 10 20
= [1,1,1] 15

MultiHeadAttention 1 com.microsoft
num_heads = 1
[1,1,1] 0
[1,1,1] 1
[1,1,1] 10
-
-
-
[1,1,1,1] 7
[1,1,1,1] 30
= [1,1,1] 20
= [1,1,2,1] 7 1
= [1,1,2,1] 30 10

MultiHeadAttention 1 com.microsoft
num_heads = 3
[1,1,4] 0 0 0 0
[1,1,4] 0 0 0 0
[1,1,4] 0 0 0 0
! 3 heads do not divide 4

Attention 1 com.microsoft
num_heads = 1
[1,2,1] 1 2
[1,3] 0 0 5
-
i32[1] 1
= [1,2,1] 5 5

Attention 1 com.microsoft
num_heads = 2
[1,2,1] 1 2
[1,3] 0 0 5
! for 2 heads

EmbedLayerNormalization 1 com.microsoft
epsilon = 0.0
i32[1,1] 1
-
[2,2] 0 0 3 4
[1,2] 0 0
-
[2] 1 1
[2] 0 10
= [1,1,2] -1 11
= i32[1] 0

EmbedLayerNormalization 1 com.microsoft
i32[1,1] 2
-
[2,2] 0 0 3 4
[1,2] 0 0
-
[2] 1 1
[2] 0 0
! row 2 of a table [2,2]

GatherBlockQuantized 1 com.microsoft
block_size = 16
u4[2,16] 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 0
i64[1] -1
[2,1] 9 0.5
u4[2,1] 0 1
= [1,16] 0 0.5 1 1.5 2 2.5 3 3.5 4 4.5 5 5.5 6 6.5 7 -0.5

GatherBlockQuantized 1 com.microsoft
block_size = 16
bits = 8
u8[1,2] 130 127
i64[1] 1
[1,1] 0.5
! index 1 of 1

MatMulIntegerToFloat 1 com.microsoft
u8[1,1] 5
u8[1,1] 3
[] 0.5
[] 2
u8[] 1
= [1,1] 12

DynamicQuantizeMatMul 1 com.microsoft
[1,1] 1
u8[1,1] 2
[] 1
= [1,1] 2

QLinearAdd 1 com.microsoft
u8[1] 10
[] 0.5
u8[] 0
u8[1] 4
[] 1
u8[] 0
[] 1
u8[] 1
= u8[1] 10

QLinearMul 1 com.microsoft
u8[1] 10
[] 0.5
u8[] 0
u8[1] 4
[] 1
u8[] 0
[] 1
u8[] 1
= u8[1] 21
