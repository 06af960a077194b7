# The format of these cases is at the head of tests/unit/test_ops.c.

# position -1 is the last row, as in ScatterND
CtxScatter 1 com.qualcomm.cloud
[1,2,3,1] 0 0 0 0 0 0
i64[1,2] 1 -1
[1,2,2,1] 1 2 3 4
= [1,2,3,1] 0 1 2 0 3 4

CtxScatter 1 com.qualcomm.cloud
[1,1,2,1] 0 0
i64[1,1] 2
[1,1,1,1] 1
! row 2 of 2

CtxScatter3D 1 com.qualcomm.cloud
[2,2,1] 0 0 0 0
i32[2,1] 0 1
[2,1,1] 5 6
= [2,2,1] 5 0 0 6

CtxScatter3DInt 1 com.qualcomm.cloud
i32[1,2,1] 0 0
i32[1,1] 1
i32[1,1,1] 5
= i32[1,2,1] 0 5

CtxScatterCB 1 com.qualcomm.cloud
[2,1,2,1] 0 0 0 0
i64[1,1] 1
i64[1,2] 0 2147483647
[1,1,2,1] 7 8
= [2,1,2,1] 0 0 7 0

CtxScatterCB3D 1 com.qualcomm.cloud
[2,2] 0 0 0 0
i64[2,1] 1 0
i64[2,1] 0 1
[2,1] 3 4
= [2,2] 0 4 3 0

CtxGather 1 com.qualcomm.cloud
[1,2,3,1] 1 2 3 4 5 6
i64[1,1,2] 2 0
i64[] 2
= [1,2,2,1] 3 1 6 4

CtxGather 1 com.qualcomm.cloud
[1,1,2,1] 1 2
i64[1,1,1] 5
i64[] 1
! row 5 of 2

CtxGather3D 1 com.qualcomm.cloud
[2,2,1] 1 2 3 4
i64[1,1] 1
= [2,1,1] 2 4

CtxGatherCB 1 com.qualcomm.cloud
[2,1,2,1] 1 2 3 4
i64[1,1] 1
i64[1,1,2] 1 2147483647
i64[] 2
= [1,1,2,1] 4 3

CtxGatherCB3D 1 com.qualcomm.cloud
[2,2,1] 1 2 3 4
i64[2,1] 1 0
i64[2,2] 0 1 1 0
= [2,2,1] 3 4 2 1

CtxGatherBlockedKV 1 com.qualcomm.cloud
[1,2,2,1] 1 2 3 4
i64[1,2,1] 0 1
= [1,2,1,1] 1 4

CtxGatherBlockedKVCB 1 com.qualcomm.cloud
[2,1,2,1] 1 2 3 4
i64[1,1] 1
i64[1,1,1] 1
= [1,1,1,1] 4

CustomRMSNorm 1 com.qti.aisw.onnx
epsilon = 0.0
[1,2] 3 4
[2] 1 2
= [1,2] 0.84852814 2.2627417

CtxGather 1 com.qualcomm.cloud
[1,1,2,1] 1 2
i64[1,1,1] 1
i64[] 3
= [1,1,3,1] 2 2 2

CtxGather 1 com.qualcomm.cloud
[1,1,2,1] 1 2
i64[1,1,2] 1 0
i64[] 3
! for length 3
