# Casts in a row.

== the first one loses nothing
in %x : float16[2]
%a = Cast(%x) {to=1} : float32[2]
%b = Cast(%a) {to=7} : int64[2]
%c = Cast(%a) {to=10} : float16[2]
%d = Neg(%c) : float16[2]
out %b
out %d
=>
in %x : float16[2]
%b = Cast(%x) {to=7} : int64[2]
%d = Neg(%x) : float16[2]
out %b
out %d

== the first one rounds, or wraps
in %x : float32[2]
in %i : int32[2]
%a = Cast(%x) {to=10} : float16[2]
%b = Cast(%a) {to=1} : float32[2]
%c = Cast(%i) {to=1} : float32[2]
%d = Cast(%c) {to=7} : int64[2]
%e = Cast(%i) {to=13} : uint64[2]
%f = Cast(%e) {to=1} : float32[2]
%g = Cast(%x) {to=16} : bfloat16[2]
%h = Cast(%g) {to=10} : float16[2]
out %b
out %d
out %f
out %h
=> same

== whole numbers that fit
in %i : int8[2]
in %b : bool[2]
%a = Cast(%i) {to=1} : float32[2]
%c = Cast(%a) {to=6} : int32[2]
%d = Cast(%b) {to=6} : int32[2]
%e = Cast(%d) {to=1} : float32[2]
out %c
out %e
=>
in %i : int8[2]
in %b : bool[2]
%c = Cast(%i) {to=6} : int32[2]
%e = Cast(%b) {to=1} : float32[2]
out %c
out %e
