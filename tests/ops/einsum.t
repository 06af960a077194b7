# The format of these cases is at the head of tests/unit/test_ops.c.

Einsum
equation = ij,jk->ik
[2,2] 1 2 3 4
[2,1] 1 1
= [2,1] 3 7

Einsum
equation = ii
[2,2] 1 2 3 4
= [] 5

Einsum
equation = ...ij->...ji
[1,1,2] 1 2
= [1,2,1] 1 2

Einsum
equation = i,j
i64[2] 1 2
i64[2] 3 4
= i64[2,2] 3 4 6 8

Einsum
equation = ij->k
[1,1] 1
! 'k' is not fed

Einsum
equation = i,i
[2] 1 2
[3] 1 2 3
! 2 and 3 for one letter
