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

# of equals the earlier ones, in whatever order they are met
TopK
[8] 1 5 5 2 5 0 5 1
i64[1] 3
= [3] 5 5 5
= i64[3] 1 2 4

TopK
largest = 0
[9] 9 8 7 6 5 4 5 4 4
i64[1] 4
= [4] 4 4 4 5
= i64[4] 5 7 8 4

# NaN is the largest
TopK
[6] 1 nan 3 nan inf 2
i64[1] 4
= [4] nan nan inf 3
= i64[4] 1 3 4 2

TopK
u64[5] 1 18446744073709551615 0 9223372036854775808 2
i64[1] 3
= u64[3] 18446744073709551615 9223372036854775808 2
= i64[3] 1 3 4
