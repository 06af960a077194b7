# CustomRMSNorm.

== Pow, Sqrt, Div; then Mul, Reciprocal, Mul; then a power of -1/2
in %x : float32[2,4]
const %w : float32[4] = {1, 2, 3, 4}
const %two : float32[] = {2}
const %eps : float32[] = {1e-06}
const %h : float32[] = {-0.5}
%p = Pow(%x, %two)
%v = ReduceMean(%p) {axes=[-1], keepdims=1}
%a = Add(%v, %eps)
%s = Sqrt(%a)
%q = Div(%x, %s)
%y = Mul(%q, %w)
%b = Mul(%y, %y)
%c = ReduceMean(%b) {axes=[-1]}
%d = Add(%eps, %c)
%e = Sqrt(%d)
%f = Reciprocal(%e)
%g = Mul(%f, %y)
%z = Mul(%w, %g)
%i = Pow(%z, %two)
%j = ReduceMean(%i) {axes=[-1]}
%k = Add(%j, %eps)
%l = Pow(%k, %h)
%m = Mul(%z, %l)
%n = Mul(%m, %w)
out %n
=>
opset ai.onnx:17 com.qti.aisw.onnx:1
in %x : float32[2,4]
const %w : float32[4] = {1, 2, 3, 4}
%y = com.qti.aisw.onnx.CustomRMSNorm(%x, %w) {epsilon=1e-06}
%z = com.qti.aisw.onnx.CustomRMSNorm(%y, %w) {epsilon=1e-06}
%n = com.qti.aisw.onnx.CustomRMSNorm(%z, %w) {epsilon=1e-06}
out %n
function com.qti.aisw.onnx.CustomRMSNorm @epsilon {
	opset ai.onnx:17
	in %hidden_states
	in %weight
	%w = Cast(%weight) {to=1}
	%x = Cast(%hidden_states) {to=1}
	%eps = Constant() {value_float=@epsilon}
	%square = Mul(%x, %x)
	%mean = ReduceMean(%square) {axes=[-1]}
	%sum = Add(%mean, %eps)
	%root = Sqrt(%sum)
	%inverse = Reciprocal(%root)
	%unit = Mul(%x, %inverse)
	%scaled = Mul(%w, %unit)
	%output = CastLike(%scaled, %hidden_states)
	out %output
}

== casts around it go, the function has its own
in %x : float16[2,4]
const %w : float32[4] = {1, 2, 3, 4}
const %eps : float32[] = {1e-06}
%c = Cast(%x) {to=1} : float32[2,4]
%b = Mul(%c, %c) : float32[2,4]
%v = ReduceMean(%b) {axes=[-1]} : float32[2,1]
%a = Add(%v, %eps) : float32[2,1]
%s = Sqrt(%a) : float32[2,1]
%r = Reciprocal(%s) : float32[2,1]
%q = Mul(%c, %r) : float32[2,4]
%y = Mul(%q, %w) : float32[2,4]
%z = Cast(%y) {to=10} : float16[2,4]
out %z
=>
opset ai.onnx:17 com.qti.aisw.onnx:1
in %x : float16[2,4]
const %w : float32[4] = {1, 2, 3, 4}
%z = com.qti.aisw.onnx.CustomRMSNorm(%x, %w) {epsilon=1e-06} : float16[2,4]
out %z
function com.qti.aisw.onnx.CustomRMSNorm @epsilon {
	opset ai.onnx:17
	in %hidden_states
	in %weight
	%w = Cast(%weight) {to=1}
	%x = Cast(%hidden_states) {to=1}
	%eps = Constant() {value_float=@epsilon}
	%square = Mul(%x, %x)
	%mean = ReduceMean(%square) {axes=[-1]}
	%sum = Add(%mean, %eps)
	%root = Sqrt(%sum)
	%inverse = Reciprocal(%root)
	%unit = Mul(%x, %inverse)
	%scaled = Mul(%w, %unit)
	%output = CastLike(%scaled, %hidden_states)
	out %output
}

== another axis, or another power
in %x : float32[4,4]
const %w : float32[4] = {1, 2, 3, 4}
const %three : float32[] = {3}
const %eps : float32[] = {1e-06}
%b = Mul(%x, %x)
%v = ReduceMean(%b) {axes=[0]}
%a = Add(%v, %eps)
%s = Sqrt(%a)
%q = Div(%x, %s)
%y = Mul(%q, %w)
%c = Pow(%x, %three)
%d = ReduceMean(%c) {axes=[-1]}
%e = Add(%d, %eps)
%f = Abs(%e)
%g = Sqrt(%f)
%h = Div(%x, %g)
%z = Mul(%h, %w)
out %y
out %z
=> same
