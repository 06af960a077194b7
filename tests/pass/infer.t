# Types and shapes.

== through the graph, as far as they can be known
opset ai.onnx:17 com.example:1
in %x : float32[batch,3]
const %w : float32[3,4] = {1 ...}
%a = MatMul(%x, %w)
%s = Shape(%a)
%b = com.example.Odd(%a)
%y = Add(%a, %b)
out %y
out %s
=>
opset ai.onnx:17 com.example:1
in %x : float32[batch,3]
const %w : float32[3,4] = {1 ...}
%a = MatMul(%x, %w) : float32[?,4]
%s = Shape(%a) : int64[2]
%b = com.example.Odd(%a)
%y = Add(%a, %b) : float32[...]
out %y
out %s
