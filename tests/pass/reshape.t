# Reshapes in a row.

== the last one says all
in %x : float32[2,3,4]
const %s : int64[2] = {6, 4}
const %t : int64[2] = {4, -1}
const %one : int64[1] = {1}
%a = Reshape(%x, %s) : float32[6,4]
%b = Flatten(%a) {axis=0} : float32[1,24]
%c = Reshape(%b, %t) : float32[4,6]
%d = Neg(%c) : float32[4,6]
%e = Unsqueeze(%a, %one) : float32[6,1,4]
%f = Squeeze(%e, %one) : float32[6,4]
out %d
out %f
=>
in %x : float32[2,3,4]
const %t : int64[2] = {4, -1}
const %f_shape : int64[2] = {6, 4}
%c = Reshape(%x, %t) : float32[4,6]
%d = Neg(%c) : float32[4,6]
%f = Reshape(%x, %f_shape) : float32[6,4]
out %d
out %f

== a 0 that copies a dimension, two that are not known
in %x : float32[a,b]
const %s : int64[3] = {0, 1, -1}
const %z : int64[3] = {0, 0, -1}
%a = Reshape(%x, %s) : float32[a,1,b]
%b = Reshape(%a, %z)
out %b
=> same

== one dimension that is not known
in %x : float32[a,6]
const %s : int64[3] = {-1, 2, 3}
const %z : int64[3] = {0, 3, 2}
%a = Reshape(%x, %s) : float32[a,2,3]
%b = Reshape(%a, %z) : float32[a,3,2]
%y = Neg(%b)
out %y
=>
in %x : float32[a,6]
const %b_shape : int64[3] = {-1, 3, 2}
%b = Reshape(%x, %b_shape) : float32[a,3,2]
%y = Neg(%b)
out %y
