# What onnx-opt does besides passes.

== the part between two values; a name may have a colon in it | --extract a:0:z
in %x : float32[2,3]
const %w : float32[3] = {1, 2, 3}
const %u : float32[3] = {1, 2, 4}
%a:0 = Neg(%x)
%b = Mul(%a:0, %w)
%z = Abs(%b)
%y = Mul(%z, %u)
out %y
=>
in %a:0 : float32[2,3]
const %w : float32[3] = {1, 2, 3}
%b = Mul(%a:0, %w) : float32[2,3]
%z = Abs(%b) : float32[2,3]
out %z

== what is missing between them | --extract a:y
in %x : float32[2]
%a = Neg(%x)
%b = Add(%a, %x)
%y = Neg(%b)
out %y
=>
! input 'x' is needed too

== a name nobody has | --extract b:y
in %x : float32[2]
%y = Neg(%x)
out %y
=>
! no value is named 'b'

== not two lists | --extract x
in %x : float32[2]
%y = Neg(%x)
out %y
=>
! 'x': wanted INPUTS:OUTPUTS

== a constant is no input | --extract w:y
in %x : float32[2]
const %w : float32[2] = {1, 2}
%y = Mul(%x, %w)
out %y
=>
! 'w' is a constant

== a symbol, wherever it stands | --fix-shape batch=4
in %x : float32[batch,seq]
in %z : float32[batch]
%y = Neg(%x) : float32[batch,seq]
out %y
=>
in %x : float32[4,seq]
in %z : float32[4]
%y = Neg(%x) : float32[4,seq]
out %y

== an input, and the symbols it has | --fix-shape x:1x32
in %x : float32[batch,?]
in %z : float32[batch]
%y = Neg(%x) : float32[batch,?]
out %y
=>
in %x : float32[1,32]
in %z : float32[1]
%y = Neg(%x) : float32[1,?]
out %y

== an input without a rank | --fix-shape x:7
in %x : float32[...]
%y = Neg(%x)
out %y
=>
in %x : float32[7]
%y = Neg(%x)
out %y

== another rank | --fix-shape x:1
in %x : float32[batch,?]
%y = Neg(%x)
out %y
=>
! input 'x' is [?,?], of rank 2

== another number | --fix-shape x:1x2
in %x : float32[batch,3]
%y = Neg(%x)
out %y
=>
! input 'x' is [1,3], not 2 in place 1

== no such symbol | --fix-shape sec=1
in %x : float32[seq]
%y = Neg(%x)
out %y
=>
! no dimension is named 'sec'

== no dimension | --fix-shape seq=-1
in %x : float32[seq]
%y = Neg(%x)
out %y
=>
! '-1' is not a dimension

== attributes become inputs, in functions too | --opset 18
opset ai.onnx:12 com.example:1
in %x : float32[2,3]
%a = ReduceMean(%x) {axes=[-1], keepdims=1}
%b = Squeeze(%a) {axes=[1]}
%c, %d = Split(%b) {split=[1, 1]}
%e, %f = Split(%b)
%y = Sum(%c, %d, %e, %f)
%z = com.example.F(%y)
out %z
function com.example.F {
	opset ai.onnx:12
	in %p
	%q = ReduceSum(%p) {axes=[0]}
	out %q
}
=>
opset ai.onnx:18 com.example:1
in %x : float32[2,3]
const %a_axes : int64[1] = {-1}
const %b_axes : int64[1] = {1}
const %c_split : int64[2] = {1, 1}
%a = ReduceMean(%x, %a_axes) {keepdims=1}
%b = Squeeze(%a, %b_axes)
%c, %d = Split(%b, %c_split)
%e, %f = Split(%b) {num_outputs=2}
%y = Sum(%c, %d, %e, %f)
%z = com.example.F(%y)
out %z
function com.example.F {
	opset ai.onnx:18
	in %p
	const %q_axes : int64[1] = {0}
	%q = ReduceSum(%p, %q_axes)
	out %q
}

== and back | --opset 11
opset ai.onnx:18
in %x : float32[2,3]
const %k : int64[1] = {-1}
const %m : float32[] = {1}
%a = ReduceMean(%x, %k)
%b = Clip(%a, _, %m)
out %b
=>
opset ai.onnx:11
in %x : float32[2,3]
const %k : int64[1] = {-1}
const %m : float32[] = {1}
%a = ReduceMean(%x) {axes=[-1]}
%b = Clip(%a, _, %m)
out %b

== another meaning | --opset 13
opset ai.onnx:12
in %x : float32[2,3]
%a = Softmax(%x)
out %a
=>
! node '' (Softmax): its meaning changed in opset 13

== not there yet | --opset 13
opset ai.onnx:20
in %x : float32[2,3]
%a = Gelu(%x)
out %a
=>
! node '' (Gelu): not in opset 13

== beyond what is known | --opset 99
in %x : float32[2,3]
%a = Neg(%x)
out %a
=>
! opset 99, known are 7 to 25
