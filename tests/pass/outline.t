# Layers that repeat.

== three blocks of four; a shared value made inside the first one
in %x : float32[2,4]
in %mask : float32[2,4]
const %layers.0.w : float32[4] = {0.1, 0.2, 0.3, 0.4}
const %layers.1.w : float32[4] = {0.5, 0.6, 0.7, 0.8}
const %layers.2.w : float32[4] = {0.2, 0.3, 0.4, 0.5}
const %two : float32[] = {2}
%layers.0/a = Mul(%x, %layers.0.w)
%neg = Neg(%mask)
%layers.0/b = Add(%layers.0/a, %neg)
%layers.0/c = Softmax(%layers.0/b) {axis=-1}
%layers.0/d = Mul(%layers.0/c, %two)
%layers.0/e = Tanh(%layers.0/d)
%layers.0/f = Abs(%layers.0/e)
%layers.0/g = Sin(%layers.0/f)
%layers.0/h = Add(%x, %layers.0/g)
%layers.1/a = Mul(%layers.0/h, %layers.1.w)
%layers.1/b = Add(%layers.1/a, %neg)
%layers.1/c = Softmax(%layers.1/b) {axis=-1}
%layers.1/d = Mul(%layers.1/c, %two)
%layers.1/e = Tanh(%layers.1/d)
%layers.1/f = Abs(%layers.1/e)
%layers.1/g = Sin(%layers.1/f)
%layers.1/h = Add(%layers.0/h, %layers.1/g)
%layers.2/a = Mul(%layers.1/h, %layers.2.w)
%layers.2/b = Add(%layers.2/a, %neg)
%layers.2/c = Softmax(%layers.2/b) {axis=-1}
%layers.2/d = Mul(%layers.2/c, %two)
%layers.2/e = Tanh(%layers.2/d)
%layers.2/f = Abs(%layers.2/e)
%layers.2/g = Sin(%layers.2/f)
%layers.2/h = Add(%layers.1/h, %layers.2/g)
out %layers.1/e
out %layers.2/h
=>
opset ai.onnx:17 qeff.functions:1
in %x : float32[2,4]
in %mask : float32[2,4]
const %layers.0.w : float32[4] = {0.1, 0.2, 0.3, 0.4}
const %layers.1.w : float32[4] = {0.5, 0.6, 0.7, 0.8}
const %layers.2.w : float32[4] = {0.2, 0.3, 0.4, 0.5}
%neg = Neg(%mask)
%layers.0/h, %layers.0/e = qeff.functions.Layer(%x, %layers.0.w, %neg)
%layers.1/h, %layers.1/e = qeff.functions.Layer(%layers.0/h, %layers.1.w, %neg)
%layers.2/h, %layers.2/e = qeff.functions.Layer(%layers.1/h, %layers.2.w, %neg)
out %layers.1/e
out %layers.2/h
function qeff.functions.Layer {
	opset ai.onnx:17
	in %x
	in %layers.N.w
	in %neg
	const %two : float32[] = {2}
	%layers.N/a = Mul(%x, %layers.N.w)
	%layers.N/b = Add(%layers.N/a, %neg)
	%layers.N/c = Softmax(%layers.N/b) {axis=-1}
	%layers.N/d = Mul(%layers.N/c, %two)
	%layers.N/e = Tanh(%layers.N/d)
	%layers.N/f = Abs(%layers.N/e)
	%layers.N/g = Sin(%layers.N/f)
	%layers.N/h = Add(%x, %layers.N/g)
	out %layers.N/h
	out %layers.N/e
}

== nothing that repeats
in %x : float32[2]
%a = Neg(%x)
%b = Abs(%a)
%c = Sin(%b)
%y = Cos(%c)
out %y
=> same

== what is one value in the first block may be two in the next
in %x : float32[2]
const %p : float32[2] = {1, 2}
const %q : float32[2] = {3, 4}
%a0 = Mul(%x, %p)
%b0 = Add(%a0, %p)
%c0 = Sin(%b0)
%d0 = Cos(%c0)
%e0 = Abs(%d0)
%f0 = Tanh(%e0)
%g0 = Neg(%f0)
%h0 = Exp(%g0)
%a1 = Mul(%h0, %p)
%b1 = Add(%a1, %q)
%c1 = Sin(%b1)
%d1 = Cos(%c1)
%e1 = Abs(%d1)
%f1 = Tanh(%e1)
%g1 = Neg(%f1)
%h1 = Exp(%g1)
out %h1
=>
opset ai.onnx:17 qeff.functions:1
in %x : float32[2]
const %p : float32[2] = {1, 2}
const %q : float32[2] = {3, 4}
%h0 = qeff.functions.Layer(%x, %p)
%h1 = qeff.functions.Layer(%h0, %q)
out %h1
function qeff.functions.Layer {
	opset ai.onnx:17
	in %x
	in %p_0
	const %p : float32[2] = {1, 2}
	%aN = Mul(%x, %p)
	%bN = Add(%aN, %p_0)
	%cN = Sin(%bN)
	%dN = Cos(%cN)
	%eN = Abs(%dN)
	%fN = Tanh(%eN)
	%gN = Neg(%fN)
	%hN = Exp(%gN)
	out %hN
}
