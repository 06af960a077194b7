# LayerNormalization.

== with weight and bias, in two spellings
in %x : float32[2,4]
const %w : float32[4] = {1, 2, 3, 4}
const %b : float32[4] = {0.5, 0.25, 0, -1}
const %two : float32[] = {2}
const %eps : float32[] = {1e-05}
%m = ReduceMean(%x) {axes=[-1]}
%d = Sub(%x, %m)
%p = Pow(%d, %two)
%v = ReduceMean(%p) {axes=[-1]}
%a = Add(%v, %eps)
%s = Sqrt(%a)
%q = Div(%d, %s)
%k = Mul(%q, %w)
%y = Add(%k, %b)
%n = ReduceMean(%y) {axes=[1], keepdims=1}
%e = Sub(%y, %n)
%f = Mul(%e, %e)
%g = ReduceMean(%f) {axes=[1]}
%h = Add(%eps, %g)
%i = Sqrt(%h)
%j = Div(%e, %i)
%z = Mul(%w, %j)
out %z
=>
in %x : float32[2,4]
const %w : float32[4] = {1, 2, 3, 4}
const %b : float32[4] = {0.5, 0.25, 0, -1}
%y = LayerNormalization(%x, %w, %b) {axis=-1, epsilon=1e-05}
%z = LayerNormalization(%y, %w) {axis=-1, epsilon=1e-05}
out %z

== another axis, or a sum that is used elsewhere
in %x : float32[2,4]
const %w : float32[4] = {1, 2, 3, 4}
const %two : float32[] = {2}
const %eps : float32[] = {1e-05}
%m = ReduceMean(%x) {axes=[0]}
%d = Sub(%x, %m)
%p = Pow(%d, %two)
%v = ReduceMean(%p) {axes=[-1]}
%a = Add(%v, %eps)
%s = Sqrt(%a)
%q = Div(%d, %s)
%y = Mul(%q, %w)
out %y
out %v
=> same

== an opset without it
opset ai.onnx:16
in %x : float32[2,4]
%y = Neg(%x)
out %y
=> same
