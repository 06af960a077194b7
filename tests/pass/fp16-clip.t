# The range of float16.

== beyond it: cut, but -inf stays; others are not looked at
opset ai.onnx:17 com.example:1
in %x : float32[4]
const %a : float32[4] = {65504, 1e+05, -1e+05, -inf}
const %b : float32[4] = {inf, nan, 1, -65504}
const %c : float64[1] = {1e+100}
%d = Constant() {value=float32[2]{1e+06, 2}}
%e = com.example.F(%x, %a, %b, %c, %d)
out %e
function com.example.F {
	opset ai.onnx:17
	in %p
	%k = Constant() {value=float32[1]{-1e+06}}
	%q = Mul(%p, %k)
	out %q
}
=>
opset ai.onnx:17 com.example:1
in %x : float32[4]
const %a : float32[4] = {65504, 65504, -65504, -inf}
const %b : float32[4] = {65504, nan, 1, -65504}
const %c : float64[1] = {1e+100}
%d = Constant() {value=float32[2]{65504, 2}}
%e = com.example.F(%x, %a, %b, %c, %d)
out %e
function com.example.F {
	opset ai.onnx:17
	in %p
	%k = Constant() {value=float32[1]{-65504}}
	%q = Mul(%p, %k)
	out %q
}

== a file that is not there
in %x : float32[4]
const %a : float32[4] = no-such-file+0
%y = Mul(%x, %a)
out %y
=>
! pass 'fp16-clip': constant 'a': no-such-file: No such file or directory
