# The same thing once.

== nodes, and what depends on them; attributes have no order
in %x : float32[2,3]
%a = Softmax(%x) {axis=-1}
%b = Softmax(%x) {axis=-1}
%c = Softmax(%x) {axis=0}
%d = Neg(%a)
%e = Neg(%b)
%f = Gemm(%d, %x) {transA=1, alpha=0.5}
%g = Gemm(%e, %x) {alpha=0.5, transA=1}
%h = Sum(%f, %g)
%y, %z = com.example.Two(%h, %c)
out %y
out %z
=>
in %x : float32[2,3]
%a = Softmax(%x) {axis=-1}
%c = Softmax(%x) {axis=0}
%d = Neg(%a)
%f = Gemm(%d, %x) {transA=1, alpha=0.5}
%h = Sum(%f, %f)
%y, %z = com.example.Two(%h, %c)
out %y
out %z

== small constants; types and shapes count
in %x : int64[2]
const %a : int64[1] = {2}
const %b : int64[1] = {2}
const %c : int64[] = {2}
const %d : int32[2] = {2, 0}
%p = Mul(%x, %a)
%q = Mul(%x, %b)
%r = Mul(%x, %c)
%s = Cast(%d) {to=7}
%y = Sum(%p, %q, %r, %s)
out %y
=>
in %x : int64[2]
const %a : int64[1] = {2}
const %c : int64[] = {2}
const %d : int32[2] = {2, 0}
%p = Mul(%x, %a)
%r = Mul(%x, %c)
%s = Cast(%d) {to=7}
%y = Sum(%p, %p, %r, %s)
out %y

== outputs, other domains and chance stay
opset ai.onnx:17 com.example:1
in %x : float32[2]
%a = Neg(%x)
%b = Neg(%x)
%c = com.example.Neg(%x)
%d = com.example.Neg(%x)
%e = RandomNormalLike(%x)
%f = RandomNormalLike(%x)
%y = Sum(%c, %d, %e, %f)
out %a
out %b
out %y
=> same

== an output left out is another thing
in %x : float32[4]
const %k : int64[1] = {1}
%a, %b = TopK(%x, %k)
%c, %d = TopK(%x, %k)
%e, _ = TopK(%x, %k)
%y = Sum(%a, %c, %e)
%z = Sum(%b, %d)
out %y
out %z
=>
in %x : float32[4]
const %k : int64[1] = {1}
%a, %b = TopK(%x, %k)
%e, _ = TopK(%x, %k)
%y = Sum(%a, %a, %e)
%z = Sum(%b, %b)
out %y
out %z
