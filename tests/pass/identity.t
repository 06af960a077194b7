# Nodes that give back their input.

== a chain of them; the output keeps its name
in %x : float32[2,3]
const %s : int64[2] = {2, 3}
%a = Neg(%x) : float32[2,3]
%b = Identity(%a)
%c = Cast(%b) {to=1} : float32[2,3]
%y = Reshape(%c, %s) : float32[2,3]
out %y
=>
in %x : float32[2,3]
%y = Neg(%x) : float32[2,3]
out %y

== an input that is an output needs its node
in %x : float32[2]
%y = Identity(%x)
out %y
=> same

== two outputs of one value need a node
in %x : float32[2]
%a = Neg(%x) : float32[2]
%b = Identity(%a) : float32[2]
out %a
out %b
=> same

== two copies of one value: the first becomes the maker's
in %x : float32[2]
%a = Neg(%x) : float32[2]
%b = Identity(%a) : float32[2]
%c = Identity(%a) : float32[2]
%d = Abs(%a) : float32[2]
out %b
out %c
out %d
=>
in %x : float32[2]
%b = Neg(%x) : float32[2]
%c = Identity(%b) : float32[2]
%d = Abs(%b) : float32[2]
out %b
out %c
out %d

== a symbol is as good as a number, not knowing is not
in %x : float32[batch,?]
in %s : int64[2]
%a = Expand(%x, %s) : float32[batch,?]
%b = Neg(%a) : float32[batch,?]
out %b
=> same

== symbols
in %x : float32[batch,3]
in %s : int64[2]
%a = Expand(%x, %s) : float32[batch,3]
%b = Neg(%a) : float32[batch,3]
out %b
=>
in %x : float32[batch,3]
in %s : int64[2]
%b = Neg(%x) : float32[batch,3]
out %b

== transpose
in %x : float32[2,2]
%a = Transpose(%x) {perm=[0, 1]} : float32[2,2]
%b = Transpose(%a) {perm=[1, 0]} : float32[2,2]
%c = Transpose(%b) : float32[2,2]
out %c
=>
in %x : float32[2,2]
%b = Transpose(%x) {perm=[1, 0]} : float32[2,2]
%c = Transpose(%b) : float32[2,2]
out %c

== dropout that may train stays
in %x : float32[2]
in %t : bool[]
%a = Dropout(%x) : float32[2]
%b, %m = Dropout(%x)
%c = Dropout(%x, _, %t)
%y = Sum(%a, %b, %c)
out %y
out %m
=>
in %x : float32[2]
in %t : bool[]
%b, %m = Dropout(%x)
%c = Dropout(%x, _, %t)
%y = Sum(%x, %b, %c)
out %y
out %m

== one of many
in %x : float32[2]
%a = Concat(%x) {axis=0} : float32[2]
%b = Sum(%a) : float32[2]
%c = Max(%b)
%d = Clip(%c)
%e = com.example.Identity(%d)
out %e
=>
in %x : float32[2]
%e = com.example.Identity(%x)
out %e

== in a subgraph, of a value outside
in %c : bool[]
in %x : float32[2]
%i = Identity(%x) : float32[2]
%y = If(%c) {then_branch=graph {
	%a = Identity(%i) : float32[2]
	%n = Neg(%a) : float32[2]
	%o = Identity(%n)
	out %o
}, else_branch=graph {
	%b = Identity(%i) : float32[2]
	out %b
}}
out %y
=>
in %c : bool[]
in %x : float32[2]
%y = If(%c) {then_branch=graph {
	%o = Neg(%x) : float32[2]
	out %o
}, else_branch=graph {
	%b = Identity(%x) : float32[2]
	out %b
}}
out %y

== what changes nothing: -0 is the neutral element of +, 0 of -
in %x : float32[2,3]
const %n : float32[] = {-0}
const %z : float32[1,1] = {0}
const %o : float32[3] = {1, 1, 1}
%a = Add(%x, %n) : float32[2,3]
%b = Sub(%a, %z) : float32[2,3]
%c = Mul(%b, %o) : float32[2,3]
%d = Div(%c, %o) : float32[2,3]
%e = Add(%d, %z) : float32[2,3]
%f = Neg(%e) : float32[2,3]
out %f
=>
in %x : float32[2,3]
const %z : float32[1,1] = {0}
%e = Add(%x, %z) : float32[2,3]
%f = Neg(%e) : float32[2,3]
out %f

== a one that widens is needed
in %x : float32[3]
const %o : float32[2,1] = {1, 1}
const %p : float32[1,1] = {1}
%a = Mul(%x, %o) : float32[2,3]
%b = Mul(%x, %p)
%y = Add(%a, %b)
out %y
=> same

== whole numbers: 0 is 0
in %x : int64[?]
const %z : int64[] = {0}
%a = Add(%x, %z)
%b = Neg(%a)
out %b
=>
in %x : int64[?]
%b = Neg(%x)
out %b

== a slice of everything, unless backwards
in %x : float32[2,3]
const %s : int64[2] = {0, 0}
const %e : int64[2] = {2, 9}
const %a : int64[2] = {0, 1}
const %one : int64[2] = {1, 1}
const %back : int64[2] = {1, -1}
const %t : int64[2] = {0, 2}
const %f : int64[2] = {2, -9}
%p = Slice(%x, %s, %e) : float32[2,3]
%q = Slice(%p, %s, %e, %a, %one) : float32[2,3]
%r = Slice(%q, %t, %f, %a, %back) : float32[2,3]
%y = Neg(%r)
out %y
=>
in %x : float32[2,3]
const %a : int64[2] = {0, 1}
const %back : int64[2] = {1, -1}
const %t : int64[2] = {0, 2}
const %f : int64[2] = {2, -9}
%r = Slice(%x, %t, %f, %a, %back) : float32[2,3]
%y = Neg(%r)
out %y

== shapes that say "as it is"
in %x : float32[?,?]
const %z : int64[2] = {0, 0}
const %o : int64[2] = {1, 1}
const %p : int64[4] = {0, 0, 0, 0}
%a = Reshape(%x, %z)
%b = Expand(%a, %o)
%c = Pad(%b, %p)
%d = Neg(%c)
out %d
=>
in %x : float32[?,?]
const %p : int64[4] = {0, 0, 0, 0}
%c = Pad(%x, %p)
%d = Neg(%c)
out %d
