#!/usr/bin/env bats
# Text from packages that choose tokens themselves: what qpc-run's options
# ask for goes to the graph, and the tokens are those of qpc-run's own sampler
# where no number by chance is in it.

load helper

# package NAME MODEL 'TRANSFORM OPTIONS' COMPILE OPTIONS...
package() {
	local name=$1 model=$2 transform=$3
	shift 3
	# shellcheck disable=SC2086
	qeff-transform -q $transform "$D/$model.qeff" |
		onnx-export -q --dtype float32 | onnx-opt -q |
		qnn-compile -q --ctx-len 256 "$@" -o "$D/$name.qpc"
}

setup_file() {
	places
	hf-load -q "$ROOT/share/models/demo" -o "$D/m.qeff"
	cp -r "$ROOT/share/models/demo" "$D/strict"
	jq '. + {no_repeat_ngram_size: 2, min_new_tokens: 30,
		suppress_tokens: [11, 12, 290]}' \
		"$ROOT/share/models/demo/generation_config.json" \
		>"$D/strict/generation_config.json"
	hf-load -q "$D/strict" -o "$D/strict.qeff"
	package plain m ''
	package one m --include-sampler
	package rows m '--return-pdfs --max-top-k-ids 64' -b 3 --prompt-len 7
	package cb m '--continuous-batching --include-guided-decoding' \
		--full-batch-size 4 --prompt-len 8
	package target m '--spec target --include-sampler' \
		--num-speculative-tokens 0,1,3 --prompt-len 8
	package strict strict ''
	package masked strict --include-guided-decoding --prompt-len 8
	package maskless strict --include-sampler
	printf '%s\n' 'Once upon a time' 'My name is' x \
		'The big dog and the cat' 'What is the capital of Japan? It is' \
		'Once upon a time there was a little girl named Lily' \
		>"$D/prompts"
}

# ids PACKAGE OPTIONS...: of all prompts, a line each
ids() {
	qpc-run -q "$D/$1.qpc" --json -n 60 --lines -f "$D/prompts" "${@:2}" |
		jq -c '[.prompt, .ids]'
}

@test "the likeliest token is the same, with and without penalties" {
	for how in '--temp 0' '--repeat-penalty 1.3' '--presence-penalty 2' \
		'--presence-penalty 0.7 --repeat-penalty 1.2' \
		'--temp 2 --top-k 1'; do
		# shellcheck disable=SC2086
		ids plain $how >want
		[ "$(sort -u want | wc -l)" -eq 6 ]
		for p in one rows cb target; do
			# shellcheck disable=SC2086
			ids $p $how | diff want - || complain "$p $how"
		done
	done
	ids plain --presence-penalty 2 >other
	run ! cmp -s want other
}

@test "a seed gives the same text in whatever row, another one another" {
	how=(--temp 0.9 --top-p 0.9 --min-p 0.05 --top-k 40
		--repeat-penalty 1.1 --presence-penalty 0.2)
	ids one "${how[@]}" --seed 7 >want
	ids cb "${how[@]}" --seed 7 | diff want -
	ids target "${how[@]}" --seed 7 -t 2 | diff want -
	ids one "${how[@]}" --seed 8 >other
	run ! cmp -s want other
	ids one --temp 0 >greedy
	run ! cmp -s want greedy
	# no number is drawn for what has one candidate left
	ids one --temp 0.9 --top-p 0.0001 --seed 7 | diff greedy -
	ids one --temp 0.9 --min-p 1 --seed 7 | diff greedy -
}

@test "a target with a sampler checks guesses" {
	ids plain >want
	ids target --prompt-lookup | diff want -
	ids target --draft "$D/plain.qpc" --num-speculative-tokens 1 |
		diff want -
	qpc-run -q "$D/target.qpc" --json -n 60 --draft "$D/plain.qpc" \
		-p 'My name is' |
		jq -e '.draft.accepted > 5 and
			.draft.accepted == .draft.proposed'
	refused 3 '*guesses are checked with the likeliest token*' \
		qpc-run "$D/target.qpc" --prompt-lookup --temp 1 -p x
	refused 3 '*guesses are checked with the likeliest token*' qpc-run \
		"$D/target.qpc" --prompt-lookup --repeat-penalty 1.1 -p x
}

@test "what generation settings forbid is masked" {
	ids strict >want
	ids masked | diff want -
	ids strict --repeat-penalty 1.3 >want
	ids masked --repeat-penalty 1.3 | diff want -
	ids plain --repeat-penalty 1.3 >other
	run ! cmp -s want other
	refused 3 '*settings forbid tokens*--include-guided-decoding*' \
		qpc-run "$D/maskless.qpc" -p x
}

@test "frequency penalty: each time a token was made counts" {
	ids plain >want
	ids plain --frequency-penalty 3 >less
	# no token as often as before
	most='[.[1] | group_by(.)[] | length] | max'
	[ "$(jq "$most" less | sort -n | tail -1)" -lt \
		"$(jq "$most" want | sort -n | tail -1)" ]
	refused 3 '*--frequency-penalty: it has no input*' \
		qpc-run "$D/one.qpc" --frequency-penalty 1 -p x
}

@test "what asks for logits is refused" {
	refused 3 '*--logits: it gives none' \
		qpc-run "$D/one.qpc" --logits l.npy -p x
	refused 3 '*gives no logits: it cannot score text' \
		qpc-run "$D/one.qpc" --perplexity -p 'a text'
	package draftee m --spec\ target --num-speculative-tokens 2
	refused 3 '*the draft has a sampler of its own*' \
		qpc-run "$D/draftee.qpc" --draft "$D/one.qpc" -p x
	package steps m --include-sampler --prompt-len 1
	ids steps >got
	ids plain | diff got -
	refused 3 '*penalties take a program for prompts*' \
		qpc-run "$D/steps.qpc" --repeat-penalty 2 -p x
	accepted qpc-run -q "$D/one.qpc" --bench --prompt-tokens 8 -n 4
	[[ $output == *'decode 4 tokens'* ]]
}
