# BatchNormalization behind a Conv.

== it goes into the weights
in %x : float32[1,1,3]
const %w : float32[2,1,2] = {1, 2, 3, 4}
const %scale : float32[2] = {2, 1}
const %B : float32[2] = {1, -1}
const %mean : float32[2] = {0.5, 0}
const %var : float32[2] = {4, 1}
%c = Conv(%x, %w) {pads=[0, 1]}
%y = BatchNormalization(%c, %scale, %B, %mean, %var) {epsilon=0.0}
out %y
=>
in %x : float32[1,1,3]
const %w_0 : float32[2,1,2] = {1, 2, 3, 4}
const %w_bias : float32[2] = {0.5, -1}
%y = Conv(%x, %w_0, %w_bias) {pads=[0, 1]}
out %y

== not where somebody else uses the Conv, or numbers are not constants
in %x : float32[1,1,3]
in %var : float32[2]
const %w : float32[2,1,2] = {1, 2, 3, 4}
const %k : float32[2] = {2, 1}
%c = Conv(%x, %w)
%y = BatchNormalization(%c, %k, %k, %k, %k)
%d = Conv(%x, %w)
%z = BatchNormalization(%d, %k, %k, %k, %var)
out %c
out %y
out %z
=> same
