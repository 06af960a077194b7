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
