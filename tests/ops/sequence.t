# The format of these cases is at the head of tests/unit/test_ops.c.

SequenceConstruct
[1] 1
[2] 2 3
= seq [1] 1 | [2] 2 3

SequenceConstruct
[1] 1
i64[1] 2
! float32 and int64

SequenceEmpty
dtype = 7
= seq

SequenceInsert
seq [1] 1 | [1] 2
[1] 9
i64[] -1
= seq [1] 1 | [1] 9 | [1] 2

SequenceInsert
seq [1] 1
[1] 9
i64[] 2
! item 2 of 1

SequenceErase
seq [1] 1 | [1] 2
= seq [1] 1

SequenceAt
seq [1] 1 | [2] 2 3
i64[] 1
= [2] 2 3

SequenceAt
seq [1] 1
i64[] -2
! item -2 of 1

SequenceAt
[1] 1
i64[] 0
! not a sequence

SequenceLength
seq [1] 1 | [2] 2 3
= i64[] 2

ConcatFromSequence
axis = 0
seq [1] 1 | [2] 2 3
= [3] 1 2 3

ConcatFromSequence
axis = 1
new_axis = 1
seq [2] 1 2 | [2] 3 4
= [2,2] 1 3 2 4

ConcatFromSequence
axis = 0
seq [1,1] 1 | [1,2] 2 3
! [1,1] and [1,2]

SplitToSequence
[3] 1 2 3
i64[] 2
= seq [2] 1 2 | [1] 3

SplitToSequence
keepdims = 0
[2,2] 1 2 3 4
= seq [2] 1 2 | [2] 3 4

SplitToSequence
[3] 1 2 3
i64[2] 1 1
! parts of 2 from 3

Optional
[1] 1
= opt [1] 1

OptionalHasElement
opt
= bool[] 0

OptionalHasElement
[1] 1
= bool[] 1

OptionalGetElement
opt [1] 5
= [1] 5

OptionalGetElement
opt
! there is no value
