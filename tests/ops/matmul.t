# The format of these cases is at the head of tests/unit/test_ops.c.

MatMul
[2,3] 1 2 3 4 5 6
[3,1] 1 1 1
= [2,1] 6 15

MatMul
[2,3] 1 2 3 4 5 6
[2,3] 1 2 3 4 5 6
! [2,3] by [2,3]

MatMul
i32[2] 1 2
i32[2,2] 1 2 3 4
= i32[2] 7 10

MatMul
[2,1,2] 1 2 3 4
[2] 1 1
= [2,1] 3 7

MatMul
f16[2,1,1] 2 3
f16[1,1,2] 1 10
= f16[2,1,2] 2 20 3 30

Gemm
alpha = 2.0
transB = 1
[1,2] 1 2
[2,2] 1 2 3 4
[2] 1 1
= [1,2] 11 23

Gemm
transA = 1
[2,1] 1 2
[2,1] 3 4
= [1,1] 11

Gemm
[1,2] 1 2
[2,1] 1 2
[3] 1 2 3
! bias [3] for [1,1]
