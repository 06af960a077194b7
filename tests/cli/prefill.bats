#!/usr/bin/env bats
# A prompt is the same prompt however it is cut: in one call, in chunks, token
# by token; beyond a window, beyond the length that rope was scaled from.

load helper

# config CK JQ: changes a configuration.
config() {
	jq "$2" "$1/config.json" >new && mv new "$1/config.json"
}

# logits CK CHUNK OUT: of four tokens after a prompt of 13, as text.
logits() {
	hf-load -q "$1" | qeff-transform | onnx-export | onnx-opt |
		qnn-compile -q --ctx-len 32 --prompt-len "$2" -o m.qpc
	qpc-run -q m.qpc --ids 5,17,3,40,22,9,31,5,17,60,2,11,48 -n 4 \
		--ignore-eos --logits m.npy >"$3.ids"
	tail -c +129 m.npy | od -An -v -w4 -tf4 >"$3"
}

# near A B: as many numbers, none further apart than sums in another order.
near() {
	[ "$(wc -l <"$1")" -eq 256 ] || complain "$1 is short" || return 1
	paste "$1" "$2" | awk '{d = $1 - $2; if (d < 0) d = -d
		if (NF != 2 || !(d <= 2e-4)) bad = 1} END {exit bad}'
}

# same CK: whatever the chunks.
same() {
	logits "$1" 16 whole
	for n in 5 1; do
		logits "$1" $n cut
		cmp whole.ids cut.ids || complain "chunks of $n" || return 1
		near whole cut || complain "chunks of $n" || return 1
	done
}

@test "beyond a sliding window" {
	make-checkpoint --kv-heads 2 ck
	config ck '.model_type = "mistral" | .sliding_window = 4'
	same ck
	cp whole narrow
	config ck '.sliding_window = null'
	logits ck 16 wide
	run near narrow wide
	[ "$status" -ne 0 ] # the window is seen at all
}

@test "beyond the length that rope was scaled from" {
	make-checkpoint --kv-heads 2 ck
	logits ck 16 plain
	for s in '"linear", factor: 4' \
		'"llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8' \
		'"yarn", factor: 4, original_max_position_embeddings: 8'; do
		config ck ".rope_scaling = {rope_type: $s}"
		same ck
		run near plain whole
		[ "$status" -ne 0 ]
	done
}

@test "positions beyond what the model was made for turn as before" {
	make-checkpoint --positions 8 ck
	same ck
	cp whole short
	config ck '.max_position_embeddings = 128'
	logits ck 16 long
	cmp short long
}

# base' = 10000 (2 * 13 / 8 - 1)^(8 / 6) for heads of 8 and 13 positions
@test "dynamic rope: the base follows the length reached" {
	make-checkpoint --positions 8 ck
	logits ck 16 plain
	config ck '.rope_scaling = {rope_type: "dynamic", factor: 2}'
	logits ck 16 dynamic
	config ck '.rope_scaling = null | .rope_theta = 29483.34068485008'
	logits ck 16 turned
	head -64 dynamic >a
	head -64 turned >b
	paste a b | awk '{d = $1 - $2; if (d < 0) d = -d
		if (!(d <= 2e-4)) exit 1}'
	run near plain dynamic
	[ "$status" -ne 0 ]
	config ck '.max_position_embeddings = 64 |
		.rope_scaling = {rope_type: "dynamic", factor: 2} |
		.rope_theta = 10000'
	logits ck 16 early # nothing reached yet
	near plain early
}

# longrope SHORT LONG ORIGINAL: a checkpoint ck of it.
longrope() {
	config ck ".rope_scaling = {rope_type: \"longrope\", factor: 1,
		short_factor: [$1], long_factor: [$2],
		original_max_position_embeddings: $3}"
}

# The factors of a text are those of its length, however it is cut.
@test "longrope: a prompt beyond the original length, whole and in chunks" {
	make-checkpoint --kv-heads 2 ck
	longrope 1,1.5,2,2.5 1,2,4,8 8
	same ck
	cp whole beyond
	longrope 1,2,4,8 1,2,4,8 8
	logits ck 16 whole
	near beyond whole
	longrope 1,1.5,2,2.5 1,2,4,8 64
	logits ck 5 whole
	run near beyond whole
	[ "$status" -ne 0 ] # the factors are seen at all
	hf-load -q ck -o m.qeff
	for how in short long; do
		qeff-transform -q --rope-factors $how m.qeff -o t.qeff
		onnx-export -q t.qeff | qnn-compile -q --ctx-len 32 -o $how.qpc
		run tar xOf $how.qpc manifest.json
		[[ $output != *text_length* ]]
	done
	qeff-transform -q m.qeff | onnx-export -q >m.onnx
	run qnn-compile -vv --ctx-len 32 m.onnx -o m.qpc
	[[ $output != *'(Neg)'* ]] || complain 'rotations are not by kernels'
	make-checkpoint plain
	hf-load -q plain -o p.qeff
	refused 3 "*'longrope': the model has no longrope" \
		qeff-transform --rope-factors long p.qeff
}

# A text that grows beyond is read again: each step is as if all before it were
# the prompt.
@test "longrope: a text that grows beyond the original length" {
	make-checkpoint --kv-heads 2 ck
	longrope 1,1.5,2,2.5 1,2,4,8 8
	hf-load -q ck | qeff-transform | onnx-export | onnx-opt |
		qnn-compile -q --ctx-len 32 --prompt-len 4 --batch-size 2 -o m.qpc
	text=5,17,3,40,22
	made=$(qpc-run -q m.qpc --ids $text -n 9 --ignore-eos --logits m.npy)
	# beside another that begins long, and with a prefix that was short
	[ "$(qpc-run -q m.qpc --ids $text --ids 1,2,3,4,5,6,7,8,9,10 -n 9 \
		--ignore-eos | head -1)" = "$made" ]
	tail -c +129 m.npy | od -An -v -w4 -tf4 >steps
	: >again
	for id in ${made//,/ }; do
		qpc-run -q m.qpc --ids "$text" -n 1 --ignore-eos --logits a.npy >got
		[ "$(cat got)" = "$id" ] || complain "$text: $(cat got), not $id"
		tail -c +129 a.npy | od -An -v -w4 -tf4 >>again
		text=$text,$id
	done
	[ "$(wc -l <steps)" -eq "$(wc -l <again)" ]
	paste steps again | awk '{d = $1 - $2; if (d < 0) d = -d
		if (!(d <= 2e-4)) exit 1}'
}
