# The format of these cases is at the head of tests/unit/test_ops.c.

If
@k [2] 1 -2
then_branch = () y = Neg k -> y
else_branch = () y = Abs k -> y
bool[] 1
= [2] -1 2

If
@k [2] 1 -2
then_branch = () y = Neg k -> y
else_branch = () y = Abs k -> y
bool[] 0
= [2] 1 2

If
@k [2] 1 -2
then_branch = () y = Neg k -> y
bool[] 0
! no graph 'else_branch'

# x and its double, three times; each double is collected
Loop
body = (i c x) y = Add x x ; d = Identity c -> d y y
i64[] 3
bool[] 1
[1] 1
= [1] 8
= [3,1] 2 4 8

# until it is not less than 5
Loop
@five [] 5
body = (i c x) y = Add x x ; d = Less y five -> d y
-
bool[] 1
[] 1
= [] 8

Loop
body = (i c x) d = Identity c -> d x
i64[] 0
-
[1] 7
= [1] 7

Loop
body = (i c) d = Identity c -> d
i64[] 1
-
[1] 1
! body has 2 inputs

# running sums, and what they are made of, backwards
Scan
num_scan_inputs = 1
scan_input_directions = [1]
body = (s x) t = Add s x ; u = Identity t -> t u
[1] 0
[3,1] 1 2 3
= [1] 6
= [3,1] 3 5 6

Scan
num_scan_inputs = 5
body = (s x) t = Add s x -> t
[1] 0
[3,1] 1 2 3
! num_scan_inputs 5

Scan 8
num_scan_inputs = 1
body = (s x) t = Add s x ; u = Identity t -> t u
-
[2,1] 0 10
[2,2,1] 1 2 3 4
= [2,1] 3 17
= [2,2,1] 1 3 13 17

SequenceMap
body = (x y) z = Add x y -> z
seq [1] 1 | [2] 2 3
[1] 10
= seq [1] 11 | [2] 12 13

SequenceMap
body = (x y) z = Add x y -> z
seq [1] 1
-
! input 1 is left out
