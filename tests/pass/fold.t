# What can be computed now.

== shapes, and what is made of them
in %x : float32[2,3,4]
const %i : int64[] = {1}
%s = Shape(%x)
%d = Gather(%s, %i) {axis=0}
%m = Constant() {value=int64[1]{-1}}
%n = Constant() {value_ints=[0]}
%u = Unsqueeze(%d, %n)
%c = Concat(%m, %u) {axis=0}
%y = Reshape(%x, %c)
out %y
=>
in %x : float32[2,3,4]
const %c : int64[2] = {-1, 3}
%y = Reshape(%x, %c) : float32[8,3]
out %y

== unknown dimensions are left to the run
in %x : float32[batch,3]
const %i : int64[] = {0}
%s = Shape(%x)
%d = Gather(%s, %i) {axis=0}
%n = Neg(%d)
out %n
=>
in %x : float32[batch,3]
const %i : int64[] = {0}
%s = Shape(%x) : int64[2]
%d = Gather(%s, %i) {axis=0} : int64[]
%n = Neg(%d) : int64[]
out %n

== scalars, not weights: those keep their names
in %x : float32[2]
const %two : float32[] = {2}
const %w : float32[2] = {1, 2}
const %v : int8[1,2] = {1, 2}
%a = Sqrt(%two)
%b = Mul(%x, %a)
%c = Mul(%w, %a)
%d = Add(%b, %c)
%e = Cast(%v) {to=1}
%y = Add(%d, %e)
out %y
=>
in %x : float32[2]
const %w : float32[2] = {1, 2}
const %v : int8[1,2] = {1, 2}
const %a : float32[] = {1.41421354}
%b = Mul(%x, %a) : float32[2]
%c = Mul(%w, %a) : float32[2]
%d = Add(%b, %c) : float32[2]
%e = Cast(%v) {to=1} : float32[1,2]
%y = Add(%d, %e) : float32[1,2]
out %y

== large results stay nodes, and their shapes fold
const %s : int64[2] = {100, 100}
%c = ConstantOfShape(%s) {value=int64[1]{7}}
%d = Shape(%c)
%y = Expand(%c, %d)
out %y
=>
const %s : int64[2] = {100, 100}
const %d : int64[2] = {100, 100}
%c = ConstantOfShape(%s) {value=int64[1]{7}} : int64[100,100]
%y = Expand(%c, %d) : int64[100,100]
out %y

== a graph's output is made by a node
const %two : float32[] = {2}
%a = Neg(%two)
%b = Constant() {value=int64[1]{7}}
out %a
out %b
=>
const %two : float32[] = {2}
%a = Neg(%two) : float32[]
%b = Constant() {value=int64[1]{7}} : int64[1]
out %a
out %b

== what fails is left for the run to say
in %x : float32[2]
const %i : int64[] = {7}
const %d : int64[2] = {1, 2}
%g = Gather(%d, %i) {axis=0}
%e = Cast(%g) {to=1}
%y = Mul(%x, %e)
out %y
=>
in %x : float32[2]
const %i : int64[] = {7}
const %d : int64[2] = {1, 2}
%g = Gather(%d, %i) {axis=0} : int64[]
%e = Cast(%g) {to=1} : float32[]
%y = Mul(%x, %e) : float32[2]
out %y

== shapes that cannot be
in %x : float32[2]
in %z : float32[3]
%y = Add(%x, %z)
out %y
=>
! pass 'fold': node '' (Add): [2] and [3] do not broadcast

== somebody's operators are left alone
opset ai.onnx:17 com.example:1
in %x : float32[2]
const %a : float32[] = {1}
%b = com.example.Neg(%a)
%y = Mul(%x, %b)
out %y
=>
opset ai.onnx:17 com.example:1
in %x : float32[2]
const %a : float32[] = {1}
%b = com.example.Neg(%a)
%y = Mul(%x, %b) : float32[...]
out %y
