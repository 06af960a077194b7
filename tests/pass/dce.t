# What nobody uses.

== nodes, constants, in any order; inputs stay
in %x : float32[2]
in %unused : float32[2]
const %k : float32[1] = {1}
const %dead : float32[1] = {2}
%a = Neg(%x)
%b = Add(%a, %dead)
%c = Add(%a, %k)
%d = Mul(%b, %c)
out %c
=>
in %x : float32[2]
in %unused : float32[2]
const %k : float32[1] = {1}
%a = Neg(%x)
%c = Add(%a, %k)
out %c

== inside a subgraph, and what only that used
in %x : float32[2]
in %p : bool[]
%a = Neg(%x)
%b = Abs(%x)
%y = If(%p) {then_branch=graph {
	%c = Add(%a, %x)
	%d = Add(%b, %x)
	out %c
}, else_branch=graph {
	out %x
}}
out %y
=>
in %x : float32[2]
in %p : bool[]
%a = Neg(%x)
%y = If(%p) {then_branch=graph {
	%c = Add(%a, %x)
	out %c
}, else_branch=graph {
	out %x
}}
out %y

== functions and opsets: one that a called one calls stays
opset ai.onnx:17 com.a:1 com.b:1 com.c:1
in %x : float32[2]
%y = com.a.F(%x)
out %y
function com.a.F {
	opset ai.onnx:17 com.b:1
	in %p
	%q = com.b.G(%p)
	out %q
}
function com.b.G {
	opset ai.onnx:17
	in %p
	%q = Neg(%p)
	out %q
}
function com.c.H {
	opset ai.onnx:17
	in %p
	%q = Neg(%p)
	out %q
}
=>
opset ai.onnx:17 com.a:1 com.b:1
in %x : float32[2]
%y = com.a.F(%x)
out %y
function com.a.F {
	opset ai.onnx:17 com.b:1
	in %p
	%q = com.b.G(%p)
	out %q
}
function com.b.G {
	opset ai.onnx:17
	in %p
	%q = Neg(%p)
	out %q
}

== nothing to do
in %x : float32[2]
%y = Neg(%x)
out %y
=> same
