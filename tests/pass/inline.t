# Functions.

== their bodies; calls of what is an operator stay
opset ai.onnx:17 com.example:1 com.qualcomm.cloud:1
in %past : float32[1,2,8,4]
in %pos : int64[1,1]
in %new : float32[1,2,1,4]
%n = com.example.Twice(%new)
%y = com.qualcomm.cloud.CtxScatter(%past, %pos, %n)
out %y
function com.example.Twice {
	opset ai.onnx:17
	in %p
	%q = Add(%p, %p)
	out %q
}
function com.qualcomm.cloud.CtxScatter {
	opset ai.onnx:17
	in %data
	in %position_ids
	in %updates
	%output = Identity(%data)
	out %output
}
=>
opset ai.onnx:17 com.example:1 com.qualcomm.cloud:1
in %past : float32[1,2,8,4]
in %pos : int64[1,1]
in %new : float32[1,2,1,4]
%n = Add(%new, %new)
%y = com.qualcomm.cloud.CtxScatter(%past, %pos, %n)
out %y
function com.qualcomm.cloud.CtxScatter {
	opset ai.onnx:17
	in %data
	in %position_ids
	in %updates
	%output = Identity(%data)
	out %output
}

== a body of another opset is taken to the model's
opset ai.onnx:17 com.example:1
in %x : float32[2,3]
%y = com.example.Sum(%x)
out %y
function com.example.Sum {
	opset ai.onnx:11
	in %p
	%u = Unsqueeze(%p) {axes=[0]}
	%q = ReduceSum(%u) {axes=[1], keepdims=0}
	out %q
}
=>
opset ai.onnx:17 com.example:1
in %x : float32[2,3]
const %Sum/u_axes : int64[1] = {0}
const %Sum/q_axes : int64[1] = {1}
%Sum/u = Unsqueeze(%x, %Sum/u_axes)
%y = ReduceSum(%Sum/u, %Sum/q_axes) {keepdims=0}
out %y
