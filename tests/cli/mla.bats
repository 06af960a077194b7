#!/usr/bin/env bats
# Latent attention over a compressed cache: whatever the form, and whatever
# it is put together with, the tokens are those of the plain model.

load helper

FORMS=('cache_compressed' 'cache_compressed,absorption'
	'cache_compressed,absorption,online')
PROMPTS=('3,4,5,6,7,8,9' '11' '20,21,22,20,21,22,20,21,22,20,21'
	'100,3,50,7,9,2,60,61,62,63,64,65,66,67' '9,8,7')

# model OPTIONS...: of the transform; on stdout
model() {
	qeff-transform -q "$@" "$D/m.qeff" | onnx-export -q | onnx-opt -q
}

# package NAME 'TRANSFORM OPTIONS' COMPILE OPTIONS...
package() {
	local name=$1 transform=$2
	shift 2
	# shellcheck disable=SC2086
	model $transform | qnn-compile -q --ctx-len 64 --prompt-len 4 "$@" \
		-o "$D/$name.qpc" 2>log || complain "$name: $(cat log)"
}

# ids PACKAGE OPTIONS...: of each prompt alone, or all at once
ids() {
	local name=$1
	shift
	for p in "${PROMPTS[@]}"; do
		qpc-run -q "$D/$name.qpc" --json -n 30 --ids "$p" "$@" |
			jq -c .ids
	done
}

together() {
	local name=$1 args=()
	shift
	for p in "${PROMPTS[@]}"; do args+=(--ids "$p"); done
	qpc-run -q "$D/$name.qpc" --json -n 30 "${args[@]}" "$@" | jq -c .ids
}

setup_file() {
	places
	make-checkpoint --family deepseek --hidden 64 --heads 4 --inter 96 \
		--vocab 192 --seed 3 "$D/ck"
	hf-load -q "$D/ck" -o "$D/m.qeff"
	package plain ''
	ids plain >"$D/alone"
	[ "$(sort -u "$D/alone" | wc -l)" -eq 5 ]
	for f in "${FORMS[@]}"; do
		package "$f" "--mla-absorption $f"
	done
}

retained() {
	tar xOf "$D/$1.qpc" manifest.json | jq -c "[.retained[].$2]"
}

@test "each form gives the plain model's tokens, by chunks and by steps" {
	for f in "${FORMS[@]}"; do
		ids "$f" | diff "$D/alone" - || complain "$f"
		package steps "--mla-absorption $f" --prompt-len 1
		ids steps | diff "$D/alone" - || complain "$f, by steps"
		[ "$(retained "$f" shape)" = \
			'[[1,1,64,64],[1,1,64,8],[1,1,64,64],[1,1,64,8]]' ]
	done
	[ "$(retained plain shape)" = \
		'[[1,4,64,24],[1,4,64,16],[1,4,64,24],[1,4,64,16]]' ]
}

@test "each form is the one kernel of attention, in any format of the cache" {
	for f in "${FORMS[@]}"; do
		model --mla-absorption "$f" >m.onnx
		qnn-compile -v -v m.onnx --ctx-len 64 -o m.qpc 2>log
		grep -q 'fused attention: 2' log
		for kv in float16 bfloat16 int8 mxint8; do
			accepted qnn-compile -q m.onnx --ctx-len 64 \
				--kv-cache-dtype $kv -o "$kv.qpc"
		done
		qpc-run -q float16.qpc --json -n 12 --ids "${PROMPTS[0]}" |
			jq -c .ids >got
		jq -c '.[:12]' "$D/alone" | head -1 | diff - got
		# 64 rows of 64 and of 8, in blocks of 32 that take 33 bytes
		tar xOf mxint8.qpc manifest.json |
			jq -e '.memory_bytes.retained_state == 2 * 64 * 3 * 33'
	done
}

@test "rows by batch_index, context lengths, repeated heads, blocks" {
	for f in "${FORMS[@]}"; do
		package cb "--mla-absorption $f --continuous-batching" \
			--full-batch-size 3
		together cb | diff "$D/alone" - || complain "$f, rows"
		package ccl "--mla-absorption $f --ccl-enabled" \
			--comp-ctx-lengths-prefill 16,64 \
			--comp-ctx-lengths-decode 16,32,64
		ids ccl | diff "$D/alone" - || complain "$f, lengths"
		package copies "--mla-absorption $f --num-replicate-kv-heads 2" \
			--kv-cache-dtype float32 -b 2
		together copies | diff "$D/alone" - || complain "$f, copies"
		[ "$(retained copies shape | jq -c '.[0]')" = '[2,2,64,64]' ]
		package all "--mla-absorption $f --num-kv-blocks 3 --ccl-enabled \
			--continuous-batching --num-replicate-kv-heads 4" \
			--full-batch-size 2 --comp-ctx-lengths-decode 32
		together all | diff "$D/alone" - || complain "$f, all"
	done
	package blocks '--num-kv-blocks 3'
	ids blocks | diff "$D/alone" -
}

@test "guesses and kept prefixes change no token" {
	package target '--mla-absorption cache_compressed,absorption,online
		--spec target' --num-speculative-tokens 0,3
	ids target --prompt-lookup | diff "$D/alone" -
	ids target --draft "$D/plain.qpc" | diff "$D/alone" -
	together cache_compressed --prefix-cache | diff "$D/alone" -
	long=${PROMPTS[3]}
	qpc-run -q "$D/cache_compressed.qpc" --json -n 5 --prefix-cache \
		--ids "$long" --ids "$long,1" >got
	jq -se '.[1].cached_tokens == 14' got || complain "$(cat got)"
}

@test "what is made part of another matrix has no adapter beside it" {
	"$ROOT/tests/tools/make-adapter.py" "$D/ck" a 4 8 1 kv_b_proj q_b_proj
	qeff-transform -q --lora a --mla-absorption cache_compressed,absorption \
		"$D/m.qeff" -o beside.qeff
	refused 3 "onnx-export: *'*kv_b_proj.weight' has adapters beside it*" \
		onnx-export beside.qeff -o m.onnx
	package merged '--lora a --merge'
	package absorbed \
		"--lora a --merge --mla-absorption cache_compressed,absorption"
	ids merged >want
	ids absorbed | diff want -
	run cmp -s want "$D/alone"
	[ "$status" -eq 1 ]
}

@test "every form gives the reference's tokens" {
	[ -d "$SHARED/golden" ] || skip 'no reference checkpoints here'
	for m in deepseek_v2 deepseek_v3 v5-glm4_moe_lite; do
		g=$SHARED/golden/$m
		hf-load -q "$g" -o "$m.qeff"
		for f in "${FORMS[@]}"; do
			qeff-transform -q --mla-absorption "$f" "$m.qeff" |
				onnx-export -q |
				qnn-compile -q --ctx-len 64 --prompt-len 8 \
					-o g.qpc 2>/dev/null
			for k in 0 1 2; do
				jq -c ".prompts[$k].greedy" "$g/expected.json" >want
				qpc-run -q g.qpc --json -n 24 --ids "$(jq -r \
					".prompts[$k].input_ids | map(tostring) |
					join(\",\")" "$g/expected.json")" |
					jq -c .ids | diff want - ||
					complain "$m, $f, prompt $k"
			done
		done
	done
}
