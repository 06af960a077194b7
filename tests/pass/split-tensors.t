# A wish to the writer; tests/cli shows what comes of it.

== the graph is as it was
in %x : float32[4]
const %w : float32[4] = {1 ...}
%y = Mul(%x, %w)
out %y
=> same
