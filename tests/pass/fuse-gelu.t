# Gelu.

== by erf, as torch writes it, and in another order
opset ai.onnx:20
in %x : float32[4]
const %r : float32[] = {1.41421354}
const %one : float32[] = {1}
const %half : float32[] = {0.5}
const %s : float32[] = {0.70710677}
%a = Div(%x, %r)
%e = Erf(%a)
%p = Add(%e, %one)
%m = Mul(%x, %p)
%y = Mul(%m, %half)
%b = Mul(%y, %s)
%f = Erf(%b)
%q = Add(%one, %f)
%h = Mul(%half, %q)
%z = Mul(%y, %h)
out %z
=>
opset ai.onnx:20
in %x : float32[4]
%y = Gelu(%x)
%z = Gelu(%y)
out %z

== by tanh, with a power and with products
opset ai.onnx:20
in %x : float32[4]
const %k : float32[] = {0.044715}
const %c : float32[] = {0.7978846}
const %one : float32[] = {1}
const %half : float32[] = {0.5}
const %three : float32[] = {3}
%p = Pow(%x, %three)
%a = Mul(%p, %k)
%b = Add(%x, %a)
%d = Mul(%b, %c)
%t = Tanh(%d)
%u = Add(%t, %one)
%h = Mul(%x, %half)
%y = Mul(%h, %u)
%e = Mul(%y, %k)
%f = Mul(%e, %y)
%g = Add(%one, %f)
%i = Mul(%y, %c)
%j = Mul(%i, %g)
%l = Tanh(%j)
%m = Add(%one, %l)
%n = Mul(%m, %y)
%z = Mul(%half, %n)
out %z
=>
opset ai.onnx:20
in %x : float32[4]
%y = Gelu(%x) {approximate="tanh"}
%z = Gelu(%y) {approximate="tanh"}
out %z

== another number, or a part that is used elsewhere
opset ai.onnx:20
in %x : float32[4]
const %r : float32[] = {1.5}
const %s : float32[] = {1.41421354}
const %one : float32[] = {1}
const %half : float32[] = {0.5}
%a = Div(%x, %r)
%e = Erf(%a)
%p = Add(%e, %one)
%m = Mul(%x, %p)
%y = Mul(%m, %half)
%b = Div(%x, %s)
%f = Erf(%b)
%q = Add(%f, %one)
%n = Mul(%x, %q)
%z = Mul(%n, %half)
out %y
out %z
out %q
=> same

== an opset without it
opset ai.onnx:17
in %x : float32[4]
%y = Neg(%x)
out %y
=> same
