#!/usr/bin/env bats
# Encoder-decoders: a text is read once, then the decoder steps.

load helper

setup_file() {
	places
	make-checkpoint --family bart "$D/ck"
	compile "$D/ck" "$D/m.qpc" --seq-len 16 --ctx-len 32
}

# compile CK OUT OPTION...
compile() {
	local ck=$1 out=$2
	shift 2
	hf-load -q "$ck" | qeff-transform | onnx-export | onnx-opt |
		qnn-compile -q "$@" -o "$out"
}

# ids PACKAGE IDS OPTION...
ids() {
	local p=$1 i=$2
	shift 2
	qpc-run -q "$p" --ids "$i" --ignore-eos -n 8 "$@"
}

# settings JSON: a package of a checkpoint with this generation_config.json
settings() {
	cp -r "$D/ck" ck
	echo "$1" >ck/generation_config.json
	compile ck s.qpc --seq-len 16 --ctx-len 32
}

@test "what is read decides what is written" {
	[ "$(ids "$D/m.qpc" 5,9,30)" != "$(ids "$D/m.qpc" 40,3,3,22)" ]
	[ "$(ids "$D/m.qpc" 5,9,30)" = "$(ids "$D/m.qpc" 5,9,30)" ]
	ids "$D/m.qpc" 7 >/dev/null # one token is a text
}

@test "rows of a batch write what each would alone" {
	compile "$D/ck" b.qpc --seq-len 16 --ctx-len 32 -b 3
	qpc-run -q b.qpc --ignore-eos -n 8 --ids 5,9,30 --ids 7 \
		--ids 40,3,3,22,9,9,9,9,9,9,9,9,9,9,9,1 --ids 8,8 >got
	for i in 5,9,30 7 40,3,3,22,9,9,9,9,9,9,9,9,9,9,9,1 8,8; do
		ids "$D/m.qpc" "$i"
	done >want
	cmp got want
}

@test "several lengths write the same" {
	compile "$D/ck" l.qpc --seq-len 2,24,8 --ctx-len 32
	for i in 5 5,9 5,9,30 1,2,3,4,5,6,7,8,9; do
		[ "$(ids l.qpc $i)" = "$(ids "$D/m.qpc" $i)" ]
	done
	refused 3 'qpc-run: a text of 25 tokens, the package has room for 1 to 24*' \
		qpc-run -q l.qpc --ids "$(seq -s, 25)"
}

@test "the cache in other formats" {
	for f in float16 mxint8; do
		compile "$D/ck" f.qpc --seq-len 16 --kv-cache-dtype $f
		[ "$(ids f.qpc 5,9,30 | tr , '\n' | wc -l)" -eq 8 ]
	done
}

@test "no matrix and no cache goes through a reference operator" {
	hf-load -q "$D/ck" | qeff-transform | onnx-export | onnx-opt |
		qnn-compile -vv -o /dev/null 2>log
	grep -q 'by reference' log
	run grep -E 'by reference.*\((MatMul|Softmax|Ctx.*|Mul)\)' log
	[ -z "$output" ] || complain 'slow nodes'
}

@test "the cache's end is the text's" {
	compile "$D/ck" e.qpc --ctx-len 6
	run --separate-stderr qpc-run -q e.qpc --ids 5,9 --ignore-eos --json
	[ "$(jq -r .finish_reason <<<"$output")" = length ]
	[ "$(jq '.ids | length' <<<"$output")" -eq 6 ]
}

@test "settings of the checkpoint: forced and forbidden tokens" {
	settings '{"decoder_start_token_id": 2, "eos_token_id": 2,
		"forced_bos_token_id": 11, "forced_eos_token_id": 13,
		"no_repeat_ngram_size": 1, "suppress_tokens": [20, 21],
		"bad_words_ids": [[22], [11, 23]], "max_length": 9}'
	run --separate-stderr qpc-run -q s.qpc --ids 5,9,30
	IFS=, read -ra t <<<"$output"
	[ "${#t[@]}" -eq 8 ]
	[ "${t[0]}" -eq 11 ]
	[ "${t[7]}" -eq 13 ]
	[ "$(printf '%s\n' "${t[@]}" | sort | uniq -d | wc -l)" -eq 0 ]
	[[ ,$output, != *,2[012],* ]]
	[[ ,$output, != *,11,23,* ]]
	[ "$(qpc-run -q s.qpc --ids 5,9 -n 2 --target-lang 17 | cut -d, -f1)" = 17 ]
}

@test "no end before the least length" {
	# whatever it would say next ends the text
	first=$(ids "$D/m.qpc" 5,9,30 | cut -d, -f1)
	settings "{\"decoder_start_token_id\": 2, \"eos_token_id\": [$first]}"
	[ "$(qpc-run -q s.qpc --ids 5,9,30 | tr , '\n' | wc -l)" -eq 1 ]
	rm -r ck
	settings "{\"decoder_start_token_id\": 2, \"min_length\": 5,
		\"eos_token_id\": [$first]}"
	[ "$(qpc-run -q s.qpc --ids 5,9,30 | tr , '\n' | wc -l)" -ge 5 ]
}

@test "what there is no way to do is refused" {
	refused 2 '*--seq-len 1: *2 tokens at least' sh -c \
		"hf-load -q '$D/ck' | qeff-transform | onnx-export | qnn-compile -q --seq-len 1"
	refused 3 '*--seq-len 999: the model has 126 positions' sh -c \
		"hf-load -q '$D/ck' | qeff-transform | onnx-export | qnn-compile -q --seq-len 999"
	refused 3 'qpc-run: a decoder beside an encoder*' \
		qpc-run -q "$D/m.qpc" --perplexity --ids 5,9,30
	refused 2 "qpc-run: --ids '64': not an id below 64" \
		qpc-run -q "$D/m.qpc" --ids 64
	refused 3 'qpc-run: --target-lang *: the package holds no tokenizer' \
		qpc-run -q "$D/m.qpc" --ids 5 --target-lang fr
	make-checkpoint lm
	compile lm lm.qpc
	refused 2 'qpc-run: --target-lang is for a decoder beside an encoder' \
		qpc-run -q lm.qpc --ids 5 --target-lang 7
	settings '{"eos_token_id": 2}'
	refused 3 '*generation_config: decoder_start_token_id is -1*' \
		qpc-run -q s.qpc --ids 5
}

@test "hf-load refuses other classes and missing tensors" {
	for class in BartForImageToMusic BartForCausalLM; do
		cp -r "$D/ck" "$class"
		jq ".architectures = [\"$class\"]" "$D/ck/config.json" \
			>$class/config.json
		refused 3 "hf-load: $class: class '$class' is not supported" \
			hf-load -q $class
	done
	cp -r "$D/ck" deep
	jq '.encoder_layers = 3' "$D/ck/config.json" >deep/config.json
	refused 3 "hf-load: deep: encoder: layer 2: *'model.encoder.layers.2.*' is missing" \
		hf-load -q deep
	cp -r "$D/ck" shallow
	jq '.decoder_layers = 1' "$D/ck/config.json" >shallow/config.json
	refused 3 "hf-load: shallow: tensor 'model.decoder.layers.1.*' is not of this architecture" \
		hf-load -q shallow
}

@test "a benchmark reads and writes" {
	run --separate-stderr qpc-run -q "$D/m.qpc" --bench -n 4 \
		--iterations 1 --json
	[ "$(jq .prompt_tokens <<<"$output")" -eq 16 ]
	[ "$(jq '.decode_tokens_per_second > 0' <<<"$output")" = true ]
}

@test "text is read and written, in the languages asked for" {
	make-checkpoint --family bart --vocab 1024 ck
	cp "$ROOT"/share/models/demo/tokenizer*.json ck
	compile ck t.qpc --seq-len 32
	text=$(qpc-run -q t.qpc -p 'A small dog' -n 6)
	qpc-run -q t.qpc -p 'A small dog' -n 6 --json >j
	[ "$(jq -r .text j)" = "$text" ]
	[ "$(qpc-run -q t.qpc -n 6 --ids "$(jq -c .prompt_ids j | tr -d '[]')")" = \
		"$(jq -c .ids j | tr -d '[]')" ]
	# the tokenizer begins with token 0, which here is padding: kept
	qpc-run -q t.qpc -p 'A small dog' -n 6 --json \
		--source-lang '<|end|>' --target-lang '<|system|>' >l
	[ "$(jq -c '.prompt_ids[:2]' l)" = '[4,0]' ]
	[ "$(jq '.ids[0]' l)" -eq 3 ]
	# and here is the language: replaced
	echo '{"decoder_start_token_id": 2}' >ck/generation_config.json
	compile ck t.qpc --seq-len 32
	qpc-run -q t.qpc -p 'A small dog' -n 6 --json \
		--source-lang '<|end|>' >l
	[ "$(jq '.prompt_ids[0]' l)" -eq 4 ]
	[ "$(jq -c '.prompt_ids[1:]' l)" = "$(jq -c '.prompt_ids[1:]' j)" ]
	refused 2 "qpc-run: --source-lang 'xx': no such token" \
		qpc-run -q t.qpc -p 'A small dog' --source-lang xx
}
