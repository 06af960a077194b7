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

# The factors of a call are those of its greatest position.
@test "longrope: a prompt beyond the original length in one call" {
	make-checkpoint ck
	short=1,1.5,2,2.5
	long=1,2,4,8
	config ck ".rope_scaling = {rope_type: \"longrope\", factor: 1,
		short_factor: [$short], long_factor: [$long],
		original_max_position_embeddings: 8}"
	logits ck 16 beyond
	config ck ".rope_scaling.short_factor = [$long]"
	same ck
	near beyond whole
	config ck ".rope_scaling.original_max_position_embeddings = 64 |
		.rope_scaling.long_factor = [$short]"
	same ck
	near beyond whole
}
