# The format of these cases is at the head of tests/unit/test_ops.c.

ReduceSum 11
axes = [1]
[2,2] 1 2 3 4
= [2,1] 3 7

ReduceSum
keepdims = 0
[2,2] 1 2 3 4
i64[1] 0
= [2] 4 6

ReduceMean 17
axes = [1]
[2,2] 1 2 3 4
= [2,1] 1.5 3.5

ReduceMean
keepdims = 0
[2,2] 1 2 3 4
i64[1] 0
= [2] 2 3

ReduceProd 17
axes = [1]
[2,2] 1 2 3 4
= [2,1] 2 12

ReduceProd
keepdims = 0
[2,2] 1 2 3 4
i64[1] 0
= [2] 3 8

ReduceMax 17
axes = [1]
[2,2] 1 2 3 4
= [2,1] 2 4

ReduceMax
keepdims = 0
[2,2] 1 2 3 4
i64[1] 0
= [2] 3 4

ReduceMin 17
axes = [1]
[2,2] 1 2 3 4
= [2,1] 1 3

ReduceMin
keepdims = 0
[2,2] 1 2 3 4
i64[1] 0
= [2] 1 2

ReduceL1 17
axes = [1]
[2,2] 1 2 3 4
= [2,1] 3 7

ReduceL1
keepdims = 0
[2,2] 1 2 3 4
i64[1] 0
= [2] 4 6

ReduceL2 17
axes = [1]
[2,2] 1 2 3 4
= [2,1] 2.23606798 5

ReduceL2
keepdims = 0
[2,2] 1 2 3 4
i64[1] 0
= [2] 3.16227766 4.47213595

ReduceSumSquare 17
axes = [1]
[2,2] 1 2 3 4
= [2,1] 5 25

ReduceSumSquare
keepdims = 0
[2,2] 1 2 3 4
i64[1] 0
= [2] 10 20

ReduceLogSum 17
axes = [1]
[2,2] 1 2 3 4
= [2,1] 1.09861229 1.94591015

ReduceLogSum
keepdims = 0
[2,2] 1 2 3 4
i64[1] 0
= [2] 1.38629436 1.79175947

ReduceLogSumExp 17
axes = [1]
[2,2] 1 2 3 4
= [2,1] 2.31326169 4.31326169

ReduceLogSumExp
keepdims = 0
[2,2] 1 2 3 4
i64[1] 0
= [2] 3.12692801 4.12692801

ReduceSum
noop_with_empty_axes = 1
i32[2] 1 2
= i32[2] 1 2

ReduceSum
i32[2,2] 1 2 3 4
= i32[1,1] 10

ReduceSum
[2] 1 2
i64[2] 0 -1
! axis 0 twice

ReduceMax
bool[2,2] 0 1 0 0
i64[1] 1
= bool[2,1] 1 0

ReduceMin
u64[2] 18446744073709551615 3
= u64[1] 3

ReduceMax
[0]
= [1] -inf

ReduceLogSumExp
[2] 1000 1000
= [1] 1000.69314718

ArgMax
axis = 1
[2,3] 1 5 5 2 0 1
= i64[2,1] 1 0

# NaN is the largest; of equals the first
ArgMax
[5] 1 nan inf nan 2
= i64[1] 1

ArgMin
select_last_index = 1
[5] 1 -inf 3 -inf 2
= i64[1] 3

ArgMax
axis = 1
keepdims = 0
select_last_index = 1
[2,3] 1 5 5 2 0 1
= i64[2] 2 0

ArgMin
u8[3] 200 100 255
= i64[1] 1

CumSum
[3] 1 2 3
i64[] 0
= [3] 1 3 6

CumSum
exclusive = 1
reverse = 1
i32[3] 1 2 3
i32[] 0
= i32[3] 5 3 0

CumProd
[3] 1 2 3
i64[] 0
= [3] 1 2 6

CumSum
[3] 1 2 3
i64[] 1
! axis 1 of rank 1
