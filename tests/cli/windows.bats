#!/usr/bin/env bats
# Layers that see a window keep a ring of it, or all and read a window: the
# same bits on the host as from a full cache, in less memory.

load helper

IDS=5,17,3,40,22,9,31,5,17,60,2,11,48,7,9,33,21,4,50

setup_file() {
	places
	make-checkpoint --kv-heads 2 "$D/ck"
	jq '.model_type = "mistral" | .sliding_window = 8' \
		"$D/ck/config.json" >"$D/new"
	mv "$D/new" "$D/ck/config.json"
	hf-load -q "$D/ck" -o "$D/m.qeff"
}

# onnx NAME OPTION...: a way to keep, as NAME.onnx.
onnx() {
	qeff-transform -q "${@:2}" "$D/m.qeff" -o t.qeff
	onnx-export -q t.qeff | onnx-opt -q >"$1.onnx"
}

@test "names and sizes: sliding_window, or ctx_len" {
	onnx full
	onnx ring --ring-cache
	onnx near --retain-full-kv
	for k in full ring near; do
		qeff-inspect --json $k.onnx |
			jq -c '[.inputs[], .outputs[] | select(.name | test("past_"))
				| .shape[2]] | unique' >$k.len
	done
	[ "$(cat full.len)" = '["ctx_len"]' ]
	[ "$(cat near.len)" = '["ctx_len"]' ]
	[ "$(cat ring.len)" = '["sliding_window"]' ]
	# a window is 8; the rest of a chunk of 5 goes in beside it
	for want in '1 8' '5 12' '64 64'; do
		read -r chunk size <<<"$want"
		qnn-compile -q --backend qaic --dry-run --cache-dir "c$chunk" \
			--prompt-len "$chunk" --ctx-len 64 ring.onnx >said
		jq -r '.specializations[].symbols.sliding_window' \
			"c$chunk"/qpc-*/specializations.json | sort -u >got
		[ "$(cat got)" = "$size" ] || complain "$chunk: $(cat got)"
		grep -q 'past_key.0_RetainedState' "c$chunk"/qpc-*/custom_io.yaml
	done
}

@test "the host gives the same bits, in any chunks and formats" {
	onnx full
	onnx ring --ring-cache
	onnx near --retain-full-kv
	for chunk in 1 5 16; do
		for kv in float32 float16 int8; do
			for k in full ring near; do
				qnn-compile -q --ctx-len 64 --prompt-len $chunk \
					--kv-cache-dtype $kv $k.onnx -o $k.qpc
				qpc-run -q $k.qpc --ids $IDS -n 40 --ignore-eos \
					--logits $k.npy >$k.ids
			done
			cmp full.npy ring.npy || complain "$chunk $kv ring"
			cmp full.npy near.npy || complain "$chunk $kv near"
			cmp full.ids ring.ids
		done
	done
	qnn-compile -vv --ctx-len 64 --prompt-len 5 ring.onnx -o ring.qpc 2>said
	run grep 'by reference' said
	[ "$status" -eq 1 ] || complain 'not by kernels'
	jq -e '.memory_bytes.retained_state == 2 * 2 * 2 * 12 * 8 * 4' \
		<(tar xOf ring.qpc manifest.json)
	[ "$(qnn-compile --estimate --ctx-len 4096 --prompt-len 1 ring.onnx |
		awk '$1 == "float32:" {n = $2} END {print n}')" -eq \
		$((2 * 2 * 2 * 8 * 8 * 4)) ]
}

@test "rows of unequal length, side by side and by batch_index" {
	onnx full
	onnx ring --ring-cache
	onnx cb --ring-cache --continuous-batching
	printf '%s\n' $IDS 9,8,7 $IDS,$IDS 5 >ids
	qnn-compile -q --ctx-len 64 --prompt-len 6 --batch-size 4 full.onnx -o full.qpc
	qnn-compile -q --ctx-len 64 --prompt-len 6 --batch-size 4 ring.onnx -o ring.qpc
	qnn-compile -q --ctx-len 64 --prompt-len 6 --full-batch-size 3 cb.onnx -o cb.qpc
	for k in full ring cb; do
		qpc-run -q $k.qpc --ids "$IDS" --ids 9,8,7 --ids "$IDS,$IDS" \
			--ids 5 -n 24 --ignore-eos >$k.ids
	done
	[ "$(wc -l <full.ids)" -ge 4 ]
	cmp full.ids ring.ids
	cmp full.ids cb.ids
}

@test "prompts alone: whole ones, chunks" {
	onnx full
	onnx whole --ring-cache --prefill-only
	onnx chunks --prefill-only --enable-chunking
	qnn-compile -q --ctx-len 32 --prompt-len 32 full.onnx -o full.qpc
	qnn-compile -q --ctx-len 32 --prompt-len 32 --prefill-only whole.onnx -o whole.qpc
	qnn-compile -q --ctx-len 32 --prompt-len 5 --prefill-only chunks.onnx -o chunks.qpc
	for k in full whole chunks; do
		qpc-run -q $k.qpc --ids $IDS -n 1 >$k.ids
	done
	cmp full.ids whole.ids
	cmp full.ids chunks.ids
	refused 3 '*it makes one token*' qpc-run -q whole.qpc --ids $IDS -n 2
	refused 2 '*give --prefill-only' qnn-compile whole.onnx
	refused 2 '*is not --prompt-len*' \
		qnn-compile --prefill-only --ctx-len 64 --prompt-len 32 whole.onnx
}

@test "what does not go together says why" {
	refused 2 '*--retain-full-kv*need all of it' \
		qeff-transform --ring-cache --retain-full-kv "$D/m.qeff"
	refused 3 "*'spd': *cannot take tokens back*" \
		qeff-transform --ring-cache --spec target "$D/m.qeff"
	refused 3 "*'prefill_only': *batch_index*" \
		qeff-transform --prefill-only --continuous-batching "$D/m.qeff"
	refused 3 "*'ccl': *reads nothing of the cache*" \
		qeff-transform --prefill-only --ccl-enabled "$D/m.qeff"
	refused 2 '*is for --prefill-only' \
		qeff-transform --enable-chunking "$D/m.qeff"
	make-checkpoint ck
	hf-load -q ck -o plain.qeff
	refused 3 "*'window_cache': no layer sees a window" \
		qeff-transform --ring-cache plain.qeff
	onnx ring --ring-cache
	refused 2 '*does not go into such a ring' qnn-compile \
		--ctx-len 64 --prompt-len 16 --shape sliding_window=8 ring.onnx
	run qnn-compile -o m.qpc --ctx-len 64 --prompt-len 4 \
		--shape sliding_window=8 ring.onnx
	[ "$status" -eq 0 ]
	[[ $output == *'unless it is 11'* ]]
	qnn-compile -q --ctx-len 64 ring.onnx -o ring.qpc
	refused 3 '*' qpc-run ring.qpc --ids 1,2,3 --lookup
}

@test "GPT-OSS keeps rings unasked" {
	[ -d "$SHARED/golden/gpt_oss" ] || skip 'no reference checkpoints here'
	hf-load -q "$SHARED/golden/gpt_oss" | qeff-transform -q >t.qeff
	onnx-export -q t.qeff -o m.onnx
	[ "$(qeff-inspect --json m.onnx | jq -c '[.inputs[2:][].shape[2]]')" = \
		'["sliding_window","sliding_window","ctx_len","ctx_len"]' ]
	jq -e '.transforms[] | select(.name == "window_cache") |
		.keeps == "ring" and .layers == 1 and .sliding_window == 8' t.qeff
}
