#!/usr/bin/env bats
# Ways to decode: more prompts than rows, drafts, fewer slots, kept prefixes.
# Whatever the way, a text is the one its prompt gets alone.

load helper

# package NAME 'TRANSFORM OPTIONS' COMPILE OPTIONS...
package() {
	local name=$1 transform=$2
	shift 2
	# shellcheck disable=SC2086
	qeff-transform -q $transform "$D/m.qeff" |
		onnx-export -q --dtype float32 | onnx-opt -q |
		qnn-compile -q --ctx-len 256 "$@" -o "$D/$name.qpc"
}

setup_file() {
	places
	hf-load -q "$ROOT/share/models/demo" -o "$D/m.qeff"
	package plain ''
	package rows '' -b 3 --prompt-len 7
	package cb --continuous-batching --full-batch-size 4 --prompt-len 8
	package wide --continuous-batching --full-batch-size 2 \
		--kv-cache-batch-size 4 --prompt-len 8
	package target '--speculative-model-type target' \
		--num-speculative-tokens 0,1,3 --prompt-len 8
	package ccl --ccl-enabled --comp-ctx-lengths-prefill 64,256 \
		--comp-ctx-lengths-decode 32,64,256 --prompt-len 16
	package all '--continuous-batching --ccl-enabled --spec target' \
		--full-batch-size 4 --num-speculative-tokens 0,3 \
		--comp-ctx-lengths-decode 64,128 --prompt-len 16
	PROMPTS=('Once upon a time' 'My name is' 'x' 'The big dog and the cat'
		'Once upon a time there was a little girl named Lily'
		'What is the capital of Japan? It is')
	for p in "${PROMPTS[@]}"; do
		qpc-run -q "$D/plain.qpc" --json -n 60 -p "$p" |
			jq -c '[.prompt, .ids]'
	done >"$D/alone"
	printf '%s\n' "${PROMPTS[@]}" >"$D/prompts"
}

# same PACKAGE OPTIONS...: all prompts at once give what each gives alone;
# the objects are left in `got`.
same() {
	qpc-run -q "$D/$1.qpc" --json -n 60 --lines -f "$D/prompts" \
		"${@:2}" >got || return 1
	jq -c '[.prompt, .ids]' got | diff "$D/alone" - ||
		complain "$* differs"
}

@test "six prompts in four rows of a cache" {
	same cb
	[ "$(jq .slot got | sort -u | wc -l)" -eq 4 ] || complain "$(cat got)"
	[ "$(jq -c '.runs | keys' got | sort -u)" = '["Decode","Prefill"]' ]
	same wide
	same rows
	[ "$(jq .slot got | sort -u | wc -l)" -eq 3 ]
}

@test "a long prompt goes in by chunks" {
	same cb
	n=$(jq -s '.[4].prompt_ids | length' got)
	[ "$n" -gt 8 ]
	[ "$(jq -s '.[4].runs.Prefill' got)" -eq $(((n + 7) / 8)) ] ||
		complain "$(cat got)"
}

@test "guesses by lookup change no token" {
	same target --prompt-lookup
	jq -se 'map(.draft.accepted) | add > 0' got
	[ "$(jq -sc 'map(.runs | keys) | add | unique' got)" = \
		'["Decode","Decode_1","Decode_2","Prefill"]' ] ||
		complain "$(jq -c .runs got)"
	same all --prompt-lookup --num-speculative-tokens 2
}

@test "guesses by a draft change no token, and the same model is right" {
	same target --draft "$D/plain.qpc"
	jq -se '(map(.draft.proposed) | add) > 40 and
		(map(.draft.accepted) | add) > 0.9 * (map(.draft.proposed) | add)' got
	same all --draft "$D/cb.qpc"
	same all --draft "$D/wide.qpc" --prefix-cache
	# a model that knows nothing, over the same tokens
	make-checkpoint --vocab 1024 --positions 256 other
	hf-load -q other | qeff-transform -q | onnx-export -q |
		qnn-compile -q --ctx-len 100 -b 4 -o other.qpc 2>/dev/null
	same all --draft other.qpc
	jq -se '(map(.draft.accepted) | add) < 0.2 * (map(.draft.proposed) | add)' got
}

@test "guesses change no token of sampling either" {
	qpc-run -q "$D/plain.qpc" --temp 1 -s 7 -n 60 --lines \
		-f "$D/prompts" >want
	for o in --prompt-lookup "--draft $D/cb.qpc"; do
		# shellcheck disable=SC2086
		qpc-run -q "$D/all.qpc" --temp 1 -s 7 -n 60 --lines $o \
			-f "$D/prompts" | diff want -
	done
}

@test "guesses change no token, whatever the formats" {
	make-checkpoint --layers 2 --hidden 128 --kv-heads 2 --vocab 200 ck
	make-checkpoint --layers 1 --vocab 200 --seed 5 small
	compiled() { # NAME CHECKPOINT 'TRANSFORM OPTIONS' OPTIONS...
		# shellcheck disable=SC2086
		hf-load -q "$2" | qeff-transform -q $3 | onnx-export -q |
			onnx-opt -q |
			qnn-compile -q --prompt-len 8 "${@:4}" -o "$1.qpc"
	}
	given=(--ids 9 --ids "5,6,7,8,5,6,7,8,5,6"
		--ids "$(seq -s, 3 3 90)")
	compiled small small ''
	for how in '--weights float32' '--weights int8 --kv-cache-dtype mxint8' \
		'--weights mxfp6 --kv-cache-dtype float16'; do
		# shellcheck disable=SC2086
		compiled plain ck '' $how
		qpc-run -q plain.qpc "${given[@]}" -n 60 >want
		for k in 1 3 0,2,7; do
			# shellcheck disable=SC2086
			compiled target ck '--spec target' $how \
				--num-speculative-tokens $k
			for by in '' --prompt-lookup '--draft small.qpc' \
				'--draft plain.qpc'; do
				# shellcheck disable=SC2086
				qpc-run -q target.qpc "${given[@]}" -n 60 $by |
					diff want - || complain "$how $k $by"
			done
		done
	done
}

@test "a seed gives one text on any number of threads" {
	for t in 1 2 3 7; do
		qpc-run -q "$D/all.qpc" -t $t --lines -f "$D/prompts" -n 40 \
			--temp 1.2 --top-k 30 --top-p 0.95 --min-p 0.01 \
			--repeat-penalty 1.1 --presence-penalty 0.2 \
			--frequency-penalty 0.1 --seed 11 >"got$t"
		diff got1 "got$t"
	done
	[ "$(wc -c <got1)" -gt 300 ]
}

@test "the program with the fewest slots that suffice is taken" {
	same ccl
	jq -se '.[4].runs | .Decode > 0 and .Decode_1 > 0 and .Decode_2 > 0' got ||
		complain "$(jq -c .runs got)"
	jq -se '.[4].runs | .Prefill > 0 and .Prefill_1 == null' got
	same all
}

@test "a prefix that a row has already is not read again" {
	for p in cb rows all; do
		same $p --prefix-cache
		jq -se '.[4].cached_tokens > 0' got || complain "$(cat got)"
	done
	# one row: the second prompt begins with the first and its answer
	qpc-run -q "$D/plain.qpc" --json -n 8 -p 'Once upon a time' >one
	q="Once upon a time$(jq -j .text one) and"
	qpc-run -q "$D/plain.qpc" --json -n 30 -p "$q" | jq -c .ids >want
	qpc-run -q "$D/plain.qpc" --json -n 30 --prefix-cache \
		-p 'Once upon a time' -p "$q" >got
	jq -se '.[1].cached_tokens > 8' got || complain "$(cat got)"
	jq -sc '.[1].ids' got | diff want -
}

@test "all cache kernels are fused, in every program" {
	qeff-transform -q --continuous-batching --ccl-enabled --spec target \
		"$D/m.qeff" | onnx-export -q | onnx-opt -q -o m.onnx
	for ctx in 128 10000; do # more than is computed ahead of time
		run --separate-stderr qnn-compile -vv m.onnx \
			--full-batch-size 4 --num-speculative-tokens 0,3 \
			--ctx-len $ctx --comp-ctx-lengths-decode 64 -o m.qpc
		[ "$status" -eq 0 ] || complain 'not compiled'
		[[ $stderr != *'by reference'*Ctx* ]] || complain "$ctx: not fused"
		[ "$(grep -c 'fused attention: 4' <<<"$stderr")" -eq 5 ] ||
			complain "$ctx: not every attention"
	done
}

@test "the cache keeps its format with rows by index" {
	for type in float16 mxint8; do
		package "cb$type" --continuous-batching --full-batch-size 4 \
			--kv-cache-dtype $type
		package "plain$type" '' --kv-cache-dtype $type
		qpc-run -q "$D/cb$type.qpc" -n 30 --lines -f "$D/prompts" >got
		while read -r p; do
			qpc-run -q "$D/plain$type.qpc" -n 30 -p "$p"
		done <"$D/prompts" | diff - got
	done
}

@test "a prompt goes through the least chunks that take it" {
	package chunks '' --prompt-len 32
	[ "$(tar xOf "$D/chunks.qpc" manifest.json | jq -c \
		'[.specializations[].symbols.seq_len]')" = '[32,16,8,1]' ]
	# tokens of a prompt; then how often 32, 16, 8 and 1 ran
	while read -r n want; do
		ids=$(seq -s, 3 $((n + 2)))
		[ "$(qpc-run -q --json -n 1 --ids "$ids" "$D/chunks.qpc" |
			jq -c .runs)" = "$want" ] || complain "$n tokens"
		cmp <(qpc-run -q -n 20 --ids "$ids" "$D/chunks.qpc") \
			<(qpc-run -q -n 20 --ids "$ids" "$D/plain.qpc") ||
			complain "other tokens after $n"
	done <<-'END'
		1 {"Decode":1}
		7 {"Prefill_2":1}
		9 {"Prefill_1":1}
		17 {"Prefill":1}
		40 {"Prefill":1,"Prefill_2":1}
	END
}

@test "only the prompt's programs, or only the others" {
	package prefill '' --prefill-only
	package decode '' --decode-only
	for p in prefill decode; do
		[ "$(tar xOf "$D/$p.qpc" manifest.json |
			jq -r '.specializations[].name | split("_")[0]' |
			sort -u)" = "${p^}" ]
		same $p
	done
}

@test "perplexity and benchmarks of rows by index" {
	a=$(qpc-run -q "$D/plain.qpc" --perplexity --lines -f "$D/prompts")
	b=$(qpc-run -q "$D/all.qpc" --perplexity --lines -f "$D/prompts")
	[ "$a" = "$b" ]
	accepted qpc-run -q "$D/cb.qpc" --bench -n 4 --iterations 1
}

# each PACKAGE OPTIONS...: the ids of every prompt, alone
each() {
	while read -r p; do
		qpc-run -q "$D/$1.qpc" --json -n 30 -p "$p" "${@:2}" |
			jq -c .ids
	done <"$D/prompts"
}

@test "adapters: merged, given, picked for each prompt" {
	demo=$ROOT/share/models/demo
	for n in 1 2; do
		"$ROOT/tests/tools/make-adapter.py" "$demo" "a$n" 4 $((n * 8)) \
			$n q_proj v_proj
		package merged$n "--lora a$n --merge"
		package given$n "--lora a$n"
		each "merged$n" >"alone$n"
		each "given$n" --lora "a$n" | diff "alone$n" -
	done
	each plain >alone0
	run cmp -s alone0 alone1
	[ "$status" -eq 1 ]
	package picked '--lora a1 --lora other=a2' -b 2
	package pickedcb '--lora a1 --lora other=a2 --continuous-batching' \
		--full-batch-size 4
	for p in picked pickedcb; do
		qpc-run -q "$D/$p.qpc" --json -n 30 --lines -f "$D/prompts" \
			--lora-ids 0,1,2,2,1,0 | jq -c .ids >got
		for k in 1 2 3 4 5 6; do
			n=$(cut -d, -f$k <<<0,1,2,2,1,0)
			sed -n "${k}p" "alone$n"
		done | diff got -
	done
	# the same prompt by another adapter is another text
	package onerow '--lora a1 --lora other=a2'
	p='Once upon a time there was'
	qpc-run -q "$D/onerow.qpc" --json -n 30 --prefix-cache \
		--lora-ids 0,1,2,2 -p "$p" -p "$p" -p "$p" -p "$p" >got
	[ "$(jq -sc 'map(.cached_tokens > 0)' got)" = \
		'[false,false,false,true]' ] || complain "$(cat got)"
	for n in 0 1 2 2; do
		qpc-run -q "$D/onerow.qpc" --json -n 30 --lora-ids $n -p "$p" |
			jq -c .ids
	done | diff <(jq -c .ids got) -
	refused 2 "qpc-run: --lora-ids '3': not a number of 0 to 2" \
		qpc-run "$D/picked.qpc" --lora-ids 3 -p x
	echo 'Who are you?' >in
	refused 3 'qpc-run: *--lora-ids: the package has no adapters to pick' \
		qpc-run "$D/plain.qpc" -i -f in --lora-ids 1
	refused 2 'qpc-run: --lora-ids: 2 for 1 prompts' \
		qpc-run "$D/picked.qpc" --lora-ids 1,2 -p x
	refused 2 'qpc-run: the package takes an adapter: give --lora' \
		qpc-run "$D/given1.qpc" -p x
	refused 3 'qpc-run: *lora_alpha 16, the package was made for 8' \
		qpc-run "$D/given1.qpc" --lora a2 -p x
	cp -r a1 scaled
	jq '.use_rslora = true' a1/adapter_config.json \
		>scaled/adapter_config.json
	refused 3 'qpc-run: *use_rslora is not what the package was made for' \
		qpc-run "$D/given1.qpc" --lora scaled -p x
	package givenroot '--lora scaled'
	refused 3 'qpc-run: *use_rslora is not what the package was made for' \
		qpc-run "$D/givenroot.qpc" --lora a1 -p x
	package mergedroot '--lora scaled --merge'
	each mergedroot >aloneroot
	each givenroot --lora scaled | diff aloneroot -
	run cmp -s alone1 aloneroot
	[ "$status" -eq 1 ]
	# whole blocks of the adapters that were picked, not row by row
	qpc-run -q "$D/picked.qpc" -n 3 -p x --lora-ids 1 --profile >profile
	run ! grep CtxGatherCB profile
	refused 2 "qpc-run: --lora: the package takes no adapter's weights" \
		qpc-run "$D/plain.qpc" --lora a1 -p x
}

@test "adapters that do not fit are refused" {
	demo=$ROOT/share/models/demo
	make="$ROOT/tests/tools/make-adapter.py"
	"$make" "$demo" a 4 8 1 q_proj
	"$make" "$demo" b 2 8 1 q_proj
	"$make" "$demo" v 4 8 1 v_proj
	refused 3 "qeff-transform: *b: rank 2, another adapter has 4*" \
		qeff-transform --lora a --lora b "$D/m.qeff"
	refused 3 "qeff-transform: *v: '*v_proj': not in every adapter*" \
		qeff-transform --lora a --lora v "$D/m.qeff"
	refused 4 'qeff-transform: *adapter_config.json*' \
		qeff-transform --lora none "$D/m.qeff"
	sed -i 's/"r": 4/"use_dora": true, "r": 4/' a/adapter_config.json
	refused 3 'qeff-transform: *use_dora is not supported' \
		qeff-transform --lora a "$D/m.qeff"
	bad() { # what is said, a setting
		mkdir -p bad
		cp b/* bad
		jq "$2" b/adapter_config.json >bad/adapter_config.json
		refused 3 "qeff-transform: *$1*" \
			qeff-transform --lora bad "$D/m.qeff"
	}
	bad "modules_to_save: 'lm_head' is whole" '.modules_to_save = ["lm_head"]'
	bad "init_lora_weights 'pissa_niter_4'" \
		'.init_lora_weights = "pissa_niter_4"'
	bad "peft_type 'IA3' is not supported" '.peft_type = "IA3"'
	bad 'lora_bias is not supported' '.lora_bias = true'
	bad 'r is 0' '.r = 0'
	bad "alpha_pattern '(q': *" '.alpha_pattern = {"(q": 2}'
	make-checkpoint --vocab 1024 other
	hf-load -q other -o other.qeff
	refused 3 'qeff-transform: *b: A * and B * for *' \
		qeff-transform --lora b other.qeff
}

@test "repeated key heads change no token" {
	package repeated '--num-replicate-kv-heads 2'
	same repeated
	package devices '--replicate-kv-heads 4 --continuous-batching' \
		--full-batch-size 4
	same devices
	[ "$(tar xOf "$D/devices.qpc" manifest.json |
		jq -c '.retained[0].shape')" = '[4,4,256,32]' ]
	refused 3 'qeff-transform: *cannot be repeated to divide among 5*' \
		qeff-transform --replicate-kv-heads 5 "$D/m.qeff"
	refused 3 'qeff-transform: *4 heads cannot share 2 key heads, each 3*' \
		qeff-transform --num-replicate-kv-heads 3 "$D/m.qeff"
}

@test "attention over blocks of the cache changes no token" {
	package blocks '--num-kv-blocks 3'
	same blocks
	package blocks-all \
		'--num-kv-blocks 4 --continuous-batching --ccl-enabled' \
		--full-batch-size 4 --comp-ctx-lengths-decode 64,128
	same blocks-all
	refused 2 'qeff-transform: *--num-kv-blocks*' \
		qeff-transform --num-kv-blocks 65 "$D/m.qeff"
	local block='.modules.layers[1].steps[0].branches[0].block'
	jq "$block.diff = {}" "$D/m.qeff" >"$D/diff.qeff"
	refused 3 "qeff-transform: *'blocking': differential*" \
		qeff-transform --num-kv-blocks 2 "$D/diff.qeff"
	refused 3 "qeff-transform: *'blocking': needs a number*" \
		qeff-transform -t kv_cache,blocking "$D/m.qeff"
}

@test "what does not go together is refused" {
	onnx-export -q "$D/m.qeff" -o none.onnx
	qeff-transform -q "$D/m.qeff" | onnx-export -q -o plain.onnx
	qeff-transform -q --continuous-batching "$D/m.qeff" |
		onnx-export -q -o cb.onnx
	qeff-transform -q --spec target "$D/m.qeff" |
		onnx-export -q -o target.onnx
	refused 2 "qnn-compile: *'batch_index': give --full-batch-size" \
		qnn-compile cb.onnx -o no.qpc
	refused 3 'qnn-compile: --full-batch-size: the model has no *' \
		qnn-compile plain.onnx --full-batch-size 4 -o no.qpc
	refused 2 'qnn-compile: --kv-cache-batch-size 2 is less than *' \
		qnn-compile cb.onnx --full-batch-size 4 --kv-cache-batch-size 2 \
		-o no.qpc
	refused 2 'qnn-compile: *give --num-speculative-tokens' \
		qnn-compile target.onnx -o no.qpc
	refused 2 'qnn-compile: --prompt-len 4 is less than the 6 tokens*' \
		qnn-compile target.onnx --num-speculative-tokens 5 \
		--prompt-len 4 -o no.qpc
	refused 3 'qnn-compile: --num-speculative-tokens: the model has no*' \
		qnn-compile plain.onnx --num-speculative-tokens 5 -o no.qpc
	refused 3 'qnn-compile: *the model has no *comp_ctx_lengths*' \
		qnn-compile plain.onnx --comp-ctx-lengths-decode 64 -o no.qpc
	refused 2 "qnn-compile: --num-speculative-tokens 'x': not a *" \
		qnn-compile target.onnx --num-speculative-tokens x -o no.qpc
	refused 2 'qnn-compile: --prefill-only and --decode-only*' \
		qnn-compile plain.onnx --prefill-only --decode-only -o no.qpc
	refused 3 'qpc-run: *checks no drafts*' \
		qpc-run "$D/plain.qpc" --prompt-lookup -p x
	refused 2 'qpc-run: *only one of them*' \
		qpc-run "$D/target.qpc" --prompt-lookup --draft "$D/cb.qpc" -p x
	make-checkpoint --vocab 100 small
	hf-load -q small | qeff-transform -q | onnx-export -q |
		qnn-compile -q -o small.qpc 2>/dev/null
	refused 3 'qpc-run: the draft has 100 tokens, the target 1024' \
		qpc-run "$D/target.qpc" --draft small.qpc -p x
}
