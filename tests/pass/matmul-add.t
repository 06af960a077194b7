# MatMul and Add.

== either order, with what broadcasts
in %x : float32[2,3]
const %w : float32[3,4] = {0.5 ...}
const %b : float32[4] = {1, 2, 3, 4}
const %s : float32[] = {3}
%m = MatMul(%x, %w) : float32[2,4]
%a = Add(%m, %b) : float32[2,4]
%n = MatMul(%x, %w) : float32[2,4]
%y = Add(%s, %n) : float32[2,4]
out %a
out %y
=>
in %x : float32[2,3]
const %w : float32[3,4] = {0.5 ...}
const %b : float32[4] = {1, 2, 3, 4}
const %s : float32[] = {3}
%a = Gemm(%x, %w, %b) : float32[2,4]
%y = Gemm(%x, %w, %s) : float32[2,4]
out %a
out %y

== not where the sum is used elsewhere, is of rank 3, or widens
in %x : float32[2,3]
in %z : float32[1,2,3]
in %v : float32[1,3]
const %w : float32[3,4] = {0.5 ...}
const %b : float32[4] = {1, 2, 3, 4}
const %c : float32[2,4] = {1 ...}
%m = MatMul(%x, %w) : float32[2,4]
%a = Add(%m, %b) : float32[2,4]
%n = MatMul(%z, %w) : float32[1,2,4]
%d = Add(%n, %b) : float32[1,2,4]
%o = MatMul(%v, %w) : float32[1,4]
%e = Add(%o, %c) : float32[2,4]
out %a
out %m
out %d
out %e
=> same
