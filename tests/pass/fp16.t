# float32 becomes float16.

== inputs, outputs, small constants; weights by nodes that a compiler folds
in %x : float32[2,3]
const %w : float32[3,400] = {1 ...}
const %k : float32[3] = {1e+06, -1e+06, -inf}
const %b : bfloat16[400] = {1 ...}
%m = MatMul(%x, %w)
%c = Cast(%b) {to=1}
%a = Add(%m, %c)
%s = Mul(%x, %k)
%n = MatMul(%s, %w)
%y = Add(%a, %n)
out %y
=>
in %x : float16[2,3]
const %w : float32[3,400] = {1 ...}
const %b : bfloat16[400] = {1 ...}
const %fp16_lowest : float32[] = {-65504}
const %fp16_highest : float32[] = {65504}
const %k_fp16 : float16[3] = {65504, -65504, -inf}
%w_clip = Clip(%w, %fp16_lowest, %fp16_highest) : float32[3,400]
%w_clip_fp16 = Cast(%w_clip) {to=10} : float16[3,400]
%m = MatMul(%x, %w_clip_fp16) : float16[2,400]
%c = Cast(%b) {to=1} : float32[400]
%c_clip = Clip(%c, %fp16_lowest, %fp16_highest) : float32[400]
%c_clip_fp16 = Cast(%c_clip) {to=10} : float16[400]
%a = Add(%m, %c_clip_fp16) : float16[2,400]
%s = Mul(%x, %k_fp16) : float16[2,3]
%n = MatMul(%s, %w_clip_fp16) : float16[2,400]
%y = Add(%a, %n) : float16[2,400]
out %y

== casts to float32, and what goes back and forth
in %i : int64[2]
in %h : float16[2]
%a = Cast(%i) {to=1}
%b = Cast(%h) {to=1}
%c = Add(%a, %b)
%y = Cast(%c) {to=10}
out %y
=>
in %i : int64[2]
in %h : float16[2]
%a = Cast(%i) {to=10} : float16[2]
%y = Add(%a, %h) : float16[2]
out %y

== operators that nobody knows, or that want float32
opset ai.onnx:17 com.example:1
in %x : float32[2]
const %e : float32[] = {1}
%a = Neg(%x)
%b, %c = com.example.Two(%a, %e) : float32[2], float32[2]
%d = Add(%b, %c)
%r = Range(%e, %e, %e)
%f = Neg(%r)
%g = Neg(%f)
out %d
out %g
=>
opset ai.onnx:17 com.example:1
in %x : float16[2]
const %e : float32[] = {1}
%a = Neg(%x) : float16[2]
%a_fp32 = Cast(%a) {to=1} : float32[2]
%b_fp32, %c_fp32 = com.example.Two(%a_fp32, %e) : float32[2], float32[2]
%b = Cast(%b_fp32) {to=10} : float16[2]
%c = Cast(%c_fp32) {to=10} : float16[2]
%d = Add(%b, %c) : float16[2]
%r = Range(%e, %e, %e) : float32[0]
%f = Neg(%r) : float32[0]
%g_fp32 = Neg(%f) : float32[0]
%g = Cast(%g_fp32) {to=10} : float16[0]
out %d
out %g

== a cache keeps its function; its name says what it is
opset ai.onnx:17 com.qualcomm.cloud:1
in %past : float32[1,2,8,4]
in %pos : int64[1,1]
in %new : float32[1,2,1,4]
%past_RetainedState = com.qualcomm.cloud.CtxScatter(%past, %pos, %new)
out %past_RetainedState
=>
opset ai.onnx:17 com.qualcomm.cloud:1
in %past : float16[1,2,8,4]
in %pos : int64[1,1]
in %new : float16[1,2,1,4]
%past_RetainedState = com.qualcomm.cloud.CtxScatter(%past, %pos, %new) : float16[1,2,8,4]
out %past_RetainedState
