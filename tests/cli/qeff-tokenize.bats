#!/usr/bin/env bats
# qeff-tokenize: lines in, lines out.

load helper

DEMO() {
	echo "$ROOT/share/models/demo"
}

@test "text to ids and back, from a directory and from its file" {
	echo 'Once upon a time' >in
	accepted qeff-tokenize encode "$(DEMO)" -i in
	[ "$output" = '0 483 479 262 482' ] || complain ids
	accepted qeff-tokenize encode -n "$(DEMO)/tokenizer.json" -i in
	[ "$output" = '483 479 262 482' ] || complain 'ids without special'
	echo '0 483 479 262 482' >ids
	accepted qeff-tokenize decode -s "$(DEMO)" --input=ids
	[ "$output" = 'Once upon a time' ] || complain text
	accepted qeff-tokenize count "$(DEMO)" -i in
	[ "$output" = 5 ] || complain count
}

@test "objects on lines" {
	printf '%s\n' '{"text": "Once\nupon"}' '{"text": ""}' >in
	accepted qeff-tokenize encode -jn "$(DEMO)" -i in -o out
	accepted qeff-tokenize decode -j "$(DEMO)" -i out
	[ "${lines[0]}" = '{"text": "Once\nupon"}' ] || complain first
	[ "${lines[1]}" = '{"text": ""}' ] || complain second
}

@test "a compiled tokenizer gives the same, and damage is noticed" {
	accepted qeff-tokenize pack "$(DEMO)" -o t
	echo 'Once upon a time' >in
	accepted qeff-tokenize encode t -i in
	[ "$output" = '0 483 479 262 482' ] || complain ids
	head -c 1000 t >short
	refused 3 'qeff-tokenize: short: compiled tokenizer: *' \
		qeff-tokenize encode short -i in
}

@test "vocab.txt alone is a BERT" {
	printf '%s\n' '[UNK]' '[CLS]' '[SEP]' hel '##lo' >vocab.txt
	echo 'HELlo you' >in
	accepted qeff-tokenize encode . -i in
	[ "$output" = '1 3 4 0 2' ] || complain ids
}

@test "bad input is refused by name" {
	echo x >in
	refused 4 'qeff-tokenize: none: *' qeff-tokenize encode none -i in
	refused 3 '*no tokenizer.json*' qeff-tokenize encode . -i in
	echo '{"model":{"type":"Nope"}}' >t.json
	refused 3 "*t.json: *model 'Nope' is not supported" \
		qeff-tokenize encode t.json -i in
	refused 3 "*in: line 1: 'x' is not an id" \
		qeff-tokenize decode "$(DEMO)" -i in
	refused 3 '*in: line 1: *' qeff-tokenize encode -j "$(DEMO)" -i in
	refused 2 '*which command*' qeff-tokenize
	refused 2 '*needs TOKENIZER*' qeff-tokenize encode
	refused 4 '*: No space left on device' \
		sh -c 'qeff-tokenize encode "$1" -i in >/dev/full' - "$(DEMO)"
}
