#!/usr/bin/env bats
# The demo model against its goldens (tests/demo), through the programs.

load helper

setup_file() {
	places
	cd "$D" || return 1
	for type in '' float32; do
		hf-load "$ROOT/share/models/demo" | qeff-transform |
			onnx-export ${type:+--dtype $type} | onnx-opt \
			>"demo$type.onnx"
		qnn-compile "demo$type.onnx" --ctx-len 512 --prompt-len 32 \
			-o "demo$type.qpc"
	done
	qnn-compile -q demo.onnx --ctx-len 256 --prompt-len 7 -b 4 -o batch.qpc
}

golden() {
	jq -r ".greedy[$1] | $2" "$ROOT/tests/demo/golden.json"
}

@test "the eight greedy continuations, by ids" {
	for k in 0 1 2 3 4 5 6 7; do
		n=$(golden $k '.greedy_ids | length')
		accepted qpc-run -q "$D/demofloat32.qpc" -n "$n" --ignore-eos \
			--ids "$(golden $k '.prompt_ids | map(tostring) | join(",")')"
		want=$(golden $k '.greedy_ids | map(tostring) | join(",")')
		[ "$output" = "$want" ] || complain "golden $k: wanted $want"
	done
}

@test "the eight greedy continuations, by text" {
	for k in 0 1 2 3 4 5 6 7; do
		n=$(golden $k '.greedy_ids | length')
		prompt=$(jq -j ".greedy[$k].prompt" \
			"$ROOT/tests/demo/golden.json" && echo x)
		qpc-run -q "$D/demofloat32.qpc" -n "$n" -p "${prompt%x}" >got
		golden $k .text >want
		[ "$(cat got)" = "$(cat want)" ] || complain "$(diff got want)"
	done
}

@test "the weights as they are give the same text, or a near one" {
	accepted qpc-run -q "$D/demo.qpc" -n 12 -p 'Once upon a time'
	[[ $output == *,* ]] || complain 'no tale'
}

@test "questions are answered through the chat template" {
	run --separate-stderr bash -c 'echo "What is the capital of Japan?" |
		qpc-run -q "$D/demo.qpc" --chat'
	[ "$status" -eq 0 ]
	[[ $output == *Tokyo* ]] || complain 'not Tokyo'
	run --separate-stderr bash -c 'printf "%s\n" \
		"What is the capital of Japan?" "What is two plus five?" |
		qpc-run -q "$D/demo.qpc" --chat --lines'
	[[ ${lines[0]} == *Tokyo* ]] || complain 'not Tokyo'
	[[ $output == *seven* ]] || complain 'not seven'
}

@test "--json gives an object a prompt" {
	accepted qpc-run -q "$D/demo.qpc" --json -n 8 -p 'Once' -p 'My name'
	[ "$(jq -c . <<<"$output" | wc -l)" -eq 2 ]
}

@test "--stop ends before the text" {
	accepted qpc-run -q "$D/demo.qpc" -n 40 --stop , -p 'Once upon a time'
	[[ $output != *,* ]]
}

@test "a tale ends when its reader has had enough" {
	run --separate-stderr bash -c \
		'qpc-run -q "$D/demo.qpc" -p "Once upon a time" | head -c 20'
	[ "$status" -eq 0 ]
	[ "${#output}" -eq 20 ]
	[ -z "$stderr" ]
}

@test "perplexity of text it never saw is numpy's in float64" {
	# tests/tools/perplexity.py: 1.661818 over 4595 tokens
	mapfile -d $'\x01' -t docs < <(awk 'BEGIN { RS = "\n<\\|endoftext\\|>\n"
		ORS = "\x01" } { print }' "$ROOT/tests/demo/held-out.txt")
	args=()
	last=${docs[59]}
	while [[ $last == *$'\n' ]]; do
		last=${last%$'\n'}
	done
	for d in "${docs[@]:0:59}" "$last"; do
		args+=(-p "$d")
	done
	run --separate-stderr qpc-run -q "$D/demo.qpc" --perplexity --json "${args[@]}"
	[ "$(jq .tokens <<<"$output")" -eq 4595 ] || complain 'other tokens'
	jq -e '(.perplexity - 1.661818) | fabs < 0.00001' <<<"$output" ||
		complain 'another perplexity'
}

@test "a batch, alone, one thread, three: the same bits" {
	local long=0,723,333,16,262,780,783,349,441
	args=()
	for p in 0,483,479 $long 0,513,512,290,5; do
		args+=(--ids "$p")
		qpc-run -q "$D/batch.qpc" --ids "$p" -n 40 --ignore-eos >>alone
	done
	for t in 1 2 3; do
		qpc-run -q "$D/batch.qpc" -t $t "${args[@]}" -n 40 --ignore-eos >"t$t"
		cmp alone "t$t"
		qpc-run -q "$D/demo.qpc" -t $t --ids $long -n 40 \
			--ignore-eos --logits "l$t.npy" >/dev/null
		cmp l1.npy "l$t.npy"
	done
}

@test "the same model and options give the same package" {
	qnn-compile -q "$D/demo.onnx" --ctx-len 512 --prompt-len 32 -t 1 -o again.qpc
	cmp again.qpc "$D/demo.qpc"
}

@test "the example of the library gives the same text" {
	run --separate-stderr env continue "$ROOT/share" \
		"$ROOT/share/models/demo" 'Once upon a time'
	[ "$status" -eq 0 ] || complain 'the example failed'
	[[ $output == *'The end.'* ]]
}

@test "what formats cost: perplexity within bounds, tales part at ties alone" {
	accepted "$ROOT/tests/bench/quality" "$BIN/.." weights:int8 \
		weights:mxfp6 cache:int8 cache:mxint8
	# what format perplexity change % answers parts
	awk 'BEGIN { most["weights int8"] = most["cache int8"] = 0.5
			most["cache mxint8"] = 0.5; most["weights mxfp6"] = 2 }
		($1 " " $2) in most { n++
			if ($4 > most[$1 " " $2] || $7 > 0.05) bad = 1 }
		$2 == "float32" { n++
			if ($3 < 1.66181 || $3 > 1.66183 || $6 != "8/8") bad = 1 }
		END { exit bad || n != 5 }' <<<"$output" || complain 'out of bounds'
}

@test "int8 and mxfp6 answer every question as float32 does" {
	for of in Japan France Italy Egypt Spain Greece; do
		echo "What is the capital of $of?"
	done >questions
	for a in one three seven nine; do
		for b in two four eight; do
			echo "What is $a plus $b?"
		done
		echo "What sound does a cow make?"
	done >>questions
	for w in float32 int8 mxfp6; do
		qnn-compile -q "$D/demofloat32.onnx" --ctx-len 512 --weights $w -o w.qpc
		qpc-run -q w.qpc --chat --lines -f questions >$w
	done
	[ "$(grep -c . float32)" -eq "$(grep -c . questions)" ]
	cmp float32 int8
	cmp float32 mxfp6
}
