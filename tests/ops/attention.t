# The format of these cases is at the head of tests/unit/test_ops.c.

# one head, two keys; scores 0 and ln 3 give 1/4 and 3/4
Attention
scale = 1.0
[1,1,1,1] 1
[1,1,2,1] 0 1.09861229
[1,1,2,1] 4 8
= [1,1,1,1] 7

# causal: the first query sees the first key only
Attention
is_causal = 1
[1,1,2,1] 0 0
[1,1,2,1] 1 1
[1,1,2,1] 4 8
= [1,1,2,1] 4 6

# nobody sees anything: zeros
Attention
[1,1,1,1] 1
[1,1,1,1] 1
[1,1,1,1] 5
bool[1,1] 0
= [1,1,1,1] 0

# flat heads, and a past
Attention
q_num_heads = 2
kv_num_heads = 1
[1,1,2] 0 0
[1,1,1] 1
[1,1,1] 8
-
[1,1,1,1] 1
[1,1,1,1] 4
= [1,1,2] 6 6
= [1,1,2,1] 1 1
= [1,1,2,1] 4 8
= [1,2,1,2] 0 0 0 0

Attention
[1,1,2] 0 0
[1,1,1] 1
[1,1,1] 8
! with 0 heads

Attention
softcap = 1.0
scale = 1.0
qk_matmul_output_mode = 1
[1,1,1,1] 1
[1,1,1,1] 1
[1,1,1,1] 5
= [1,1,1,1] 5
= -
= -
= [1,1,1,1] 0.76159416

FlexAttention 1 ai.onnx.preview
scale = 1.0
[1,1,1,1] 1
[1,1,2,1] 0 1.09861229
[1,1,2,1] 4 8
= [1,1,1,1] 7

RotaryEmbedding
[1,1,1,4] 1 2 3 4
[1,1,2] 0 1
[1,1,2] 1 0
= [1,1,1,4] -3 2 1 4

RotaryEmbedding
interleaved = 1
num_heads = 1
rotary_embedding_dim = 2
[1,1,4] 1 2 3 4
[2,1] 1 0
[2,1] 0 1
i64[1,1] 1
= [1,1,4] -2 1 3 4

RotaryEmbedding
num_heads = 1
[1,1,2] 1 2
[1,1] 1
[1,1] 0
i64[1,1] 7
! position 7 of [1,1]

RotaryEmbedding 1 com.microsoft
[1,1,2] 1 2
i64[1] 1
[2,1] 1 0
[2,1] 0 1
= [1,1,2] -2 1

LinearAttention
q_num_heads = 1
kv_num_heads = 1
update_rule = linear
scale = 1.0
[1,2,1] 1 1
[1,2,1] 2 3
[1,2,1] 5 7
= [1,2,1] 10 31
= [1,1,1,1] 31

LinearAttention
q_num_heads = 1
kv_num_heads = 1
scale = 1.0
[1,1,1] 1
[1,1,1] 1
[1,1,1] 5
[1,1,1,1] 4
[1,1,1] -0.69314718
[1,1,1] 0.5
= [1,1,1] 3.5
= [1,1,1,1] 3.5

LinearAttention
q_num_heads = 1
kv_num_heads = 1
update_rule = guess
[1,1,1] 1
[1,1,1] 1
[1,1,1] 1
! update_rule 'guess'

CausalConvWithState
[1,1,3] 1 2 3
[1,1,2] 10 1
[1] 100
[1,1,1] 7
= [1,1,3] 171 112 123
= [1,1,1] 3

CausalConvWithState
activation = relu
[1,1,1] 1
[1,1,1] 1
! activation 'relu'

TensorScatter
[1,3,1] 1 2 3
[1,1,1] 9
i64[1] 1
= [1,3,1] 1 9 3

TensorScatter
mode = circular
[1,3,1] 1 2 3
[1,2,1] 8 9
i64[1] 2
= [1,3,1] 9 2 8

TensorScatter
[1,3,1] 1 2 3
[1,2,1] 8 9
i64[1] 2
! row 2 of 3
