# Attention.

== scaled by a quotient, keys turned in one step, with a mask
opset ai.onnx:23
in %q : float32[1,2,3,4]
in %k : float32[1,5,2,4]
in %v : float32[1,2,5,4]
in %m : float32[1,1,3,5]
const %d : float32[] = {2}
%t = Transpose(%k) {perm=[0,2,3,1]}
%s = MatMul(%q, %t)
%r = Div(%s, %d)
%a = Add(%r, %m)
%p = Softmax(%a) {axis=-1}
%y = MatMul(%p, %v)
out %y
=>
opset ai.onnx:23
in %q : float32[1,2,3,4]
in %k : float32[1,5,2,4]
in %v : float32[1,2,5,4]
in %m : float32[1,1,3,5]
%v_0 = Transpose(%k) {perm=[0,2,1,3]}
%y = Attention(%q, %v_0, %v, %m) {scale=0.5}
out %y

== scaled by a product, keys in heads, no mask
opset ai.onnx:23
in %q : float32[1,2,3,4]
in %k : float32[1,2,5,4]
in %v : float32[1,2,5,4]
const %d : float32[] = {0.25}
%t = Transpose(%k) {perm=[0,1,3,2]}
%s = MatMul(%q, %t)
%r = Mul(%d, %s)
%p = Softmax(%r) {axis=3}
%y = MatMul(%p, %v)
out %y
=>
opset ai.onnx:23
in %q : float32[1,2,3,4]
in %k : float32[1,2,5,4]
in %v : float32[1,2,5,4]
%y = Attention(%q, %k, %v) {scale=0.25}
out %y

== not over another axis, nor where somebody else reads the weights
opset ai.onnx:23
in %q : float32[1,2,5,5]
%t = Transpose(%q) {perm=[0,1,3,2]}
%s = MatMul(%q, %t)
%p = Softmax(%s) {axis=2}
%y = MatMul(%p, %q)
%o = Softmax(%s) {axis=-1}
%z = MatMul(%o, %q)
out %y
out %z
out %o
=>
opset ai.onnx:23
in %q : float32[1,2,5,5]
%t = Transpose(%q) {perm=[0,1,3,2]}
%s = MatMul(%q, %t)
%p = Softmax(%s) {axis=2}
%y = MatMul(%p, %q)
%o = Softmax(%s) {axis=-1}
%z = MatMul(%o, %q)
out %y
out %z
out %o

== older opsets have no Attention
opset ai.onnx:22
in %q : float32[1,2,3,4]
in %t : float32[1,2,4,5]
in %v : float32[1,2,5,4]
%s = MatMul(%q, %t)
%p = Softmax(%s) {axis=-1}
%y = MatMul(%p, %v)
out %y
=>
opset ai.onnx:22
in %q : float32[1,2,3,4]
in %t : float32[1,2,4,5]
in %v : float32[1,2,5,4]
%s = MatMul(%q, %t)
%p = Softmax(%s) {axis=-1}
%y = MatMul(%p, %v)
out %y
