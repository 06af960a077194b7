# The format of these cases is at the head of tests/unit/test_ops.c.

RNN
hidden_size = 1
activations = [relu]
[2,1,1] 1 2
[1,1,1] 1
[1,1,1] 1
! wanted 1

RNN
[2,1,1] 1 2
[1,1,1] 0.5
[1,1,1] 1
= [2,1,1,1] 0.46211716 0.898063004
= [1,1,1] 0.898063004

RNN
direction = reverse
[2,1,1] 0 0.54930614
[1,1,1] 1
[1,1,1] 0
= [2,1,1,1] 0 0.5
= [1,1,1] 0

# z = r = 1/2, h' = tanh(x)
GRU
[1,1,1] 0.54930614
[1,3,1] 0 0 1
[1,3,1] 0 0 0
= [1,1,1,1] 0.25
= [1,1,1] 0.25

# all gates 1/2, c = 1/2 tanh(x)
LSTM
[1,1,1] 0.54930614
[1,4,1] 0 0 0 1
[1,4,1] 0 0 0 0
= [1,1,1,1] 0.12245933
= [1,1,1] 0.12245933
= [1,1,1] 0.25

LSTM
direction = sideways
[1,1,1] 1
[1,4,1] 0 0 0 1
[1,4,1] 0 0 0 0
! direction 'sideways'
