# The format of these cases is at the head of tests/unit/test_ops.c.

TopK
[1,4] 3 1 4 1
i64[1] 2
= [1,2] 4 3
= i64[1,2] 2 0

TopK
largest = 0
i64[4] 3 1 4 1
i64[1] 3
= i64[3] 1 1 3
= i64[3] 1 3 0

TopK
[2] 1 2
i64[1] 3
! 3 of 2

TopK 9
k = 1
axis = 0
[2,2] 1 2 3 0
= [1,2] 3 2
= i64[1,2] 1 0
