# Transposes in a row.

== two that undo each other
in %x : float32[2,3,4]
%a = Transpose(%x) {perm=[2, 0, 1]} : float32[4,2,3]
%b = Transpose(%a) {perm=[1, 2, 0]} : float32[2,3,4]
%y = Neg(%b)
out %y
=>
in %x : float32[2,3,4]
%y = Neg(%x)
out %y

== three are one; the first stays for whoever else uses it
in %x : float32[2,3,4]
%a = Transpose(%x) {perm=[0, 2, 1]} : float32[2,4,3]
%b = Transpose(%a) {perm=[1, 0, 2]} : float32[4,2,3]
%c = Transpose(%b) : float32[3,2,4]
out %a
out %c
=>
in %x : float32[2,3,4]
%a = Transpose(%x) {perm=[0, 2, 1]} : float32[2,4,3]
%c = Transpose(%x) {perm=[1, 0, 2]} : float32[3,2,4]
out %a
out %c
