#!/usr/bin/env bats
# The inputs and outputs that each transform gives a model (tests/io), and
# what it refuses.

load helper

setup_file() {
	places
	make-checkpoint "$D/ck"
	hf-load -q "$D/ck" -o "$D/m.qeff"
	make-checkpoint --family deepseek "$D/mla"
	hf-load -q "$D/mla" -o "$D/mla.qeff"
}

# table MODEL: an input or output a line, an empty one between.
table() {
	qeff-inspect --json "$1" | jq -r 'def row: "\(.name) \(.dtype) " +
		"[\(.shape | map(tostring) | join(", "))]";
		(.inputs[] | row), "", (.outputs[] | row)'
}

# model FILE: the one that a file of tests/io is about.
model() {
	case $1 in
	*/io/mla-*) echo "$D/mla.qeff" ;;
	*) echo "$D/m.qeff" ;;
	esac
}

# The first line of a file in tests/io is the options.
@test "names, types and sizes are those of QEfficient" {
	for want in "$ROOT"/tests/io/*.txt; do
		read -r _ options <"$want"
		# shellcheck disable=SC2086
		qeff-transform -q $options "$(model "$want")" -o t.qeff
		onnx-export -q t.qeff -o m.onnx
		table m.onnx | diff <(tail -n +2 "$want") - ||
			complain "$want"
		onnx-opt -q m.onnx -o o.onnx
		table o.onnx | diff <(tail -n +2 "$want") - ||
			complain "$want, after onnx-opt"
	done
}

@test "onnx.checker takes each of them" {
	/usr/bin/python3 -c 'import onnx' 2>/dev/null || skip 'no onnx package'
	n=0
	for want in "$ROOT"/tests/io/*.txt; do
		read -r _ options <"$want"
		# shellcheck disable=SC2086
		qeff-transform -q $options "$(model "$want")" |
			onnx-export -q -o "$((n++)).onnx"
	done
	/usr/bin/python3 -c 'import glob, onnx
for f in glob.glob("*.onnx"): onnx.checker.check_model(f)'
}

@test "transforms of a decoder need one, with its cache" {
	make-checkpoint --family bert bert
	hf-load -q bert -o bert.qeff
	refused 3 "qeff-transform: *'continuous_batching'*kv_cache*" \
		qeff-transform --continuous-batching bert.qeff
	refused 3 "qeff-transform: *'kv_cache'*keeps nothing*" \
		qeff-transform --kv-cache bert.qeff
	refused 3 "qeff-transform: *'ccl'*kv_cache*" \
		qeff-transform -t ccl "$D/m.qeff"
	refused 3 "qeff-transform: *'spd'*kv_cache*" \
		qeff-transform -t spd "$D/m.qeff"
}

@test "what latent attention keeps is said by QEfficient's three words" {
	refused 2 "qeff-transform: *'mla': 'absorption' needs 'cache_compressed'" \
		qeff-transform --mla-absorption absorption "$D/mla.qeff"
	refused 2 "qeff-transform: *'mla': 'online' needs 'absorption'" \
		qeff-transform --mla-absorption cache_compressed,online "$D/mla.qeff"
	refused 2 "qeff-transform: *'mla': 'offline' is not one of *" \
		qeff-transform --mla-absorption offline "$D/mla.qeff"
	refused 2 "qeff-transform: *'mla': needs 'cache_compressed'" \
		qeff-transform -t kv_cache,mla "$D/mla.qeff"
	refused 3 "qeff-transform: *'mla': no layer has latent attention" \
		qeff-transform --mla-absorption cache_compressed "$D/m.qeff"
	refused 3 "qeff-transform: *'replicate_kv': latent attention has as many*" \
		qeff-transform --num-replicate-kv-heads 2 "$D/mla.qeff"
	refused 3 "qeff-transform: *'replicate_kv': 4 heads cannot share 1 *, each 3*" \
		qeff-transform --mla-absorption cache_compressed \
		--num-replicate-kv-heads 3 "$D/mla.qeff"
	qeff-transform -q --mla-absorption cache_compressed,absorption "$D/mla.qeff" |
		jq -e '.transforms[] | select(.name == "mla") |
			.cache_compressed and .absorption and (.online | not)'
}

@test "a proxy has no matrices" {
	qeff-transform -q --enable-proxy "$D/m.qeff" | onnx-export -q -o m.onnx
	# norms and small constants; products of attention in two layers
	qeff-inspect --json m.onnx | jq -e '.weights.bytes < 1000 and
		.operators.MatMul == 4 and
		(.weights.bytes_in | keys == ["in the model"])'
	hf-load -q "$ROOT/share/models/demo" -o gqa.qeff
	refused 3 "qeff-transform: *'proxy': 4 heads and 2 key heads*" \
		qeff-transform --proxy gqa.qeff
	make-checkpoint --family gpt2 gpt2
	hf-load -q gpt2 -o gpt2.qeff
	refused 3 "qeff-transform: *'proxy': *no linear layer*" \
		qeff-transform --proxy gpt2.qeff
}

@test "what was applied, with its parameters, is in the model" {
	qeff-transform -q --continuous-batching --spec target "$D/m.qeff" |
		onnx-export -q -o m.onnx
	[ "$(qeff-inspect --json m.onnx |
		jq -c '.metadata["qeff.transforms"] | map(.name)')" = \
		'["custom_ops","kv_cache","continuous_batching","spd"]' ]
	qeff-inspect --json m.onnx | jq -e '.metadata["qeff.transforms"][3] ==
		{"name": "spd", "speculative_model_type": "target"}'
}

# sampled 'OPTIONS' 'OPTIONS OF THE SAMPLER' COMPILE OPTIONS...: the sampler
# in the graph against its definition, some seeds.
sampled() {
	local base=$1 more=$2 model=${model:-$D/m.qeff}
	shift 2
	# shellcheck disable=SC2086
	qeff-transform -q $base "$model" | onnx-export -q | onnx-opt -q |
		qnn-compile -q --ctx-len 64 "$@" -o plain.qpc
	# shellcheck disable=SC2086
	qeff-transform -q $base $more "$model" | onnx-export -q |
		onnx-opt -q | qnn-compile -q --ctx-len 64 "$@" -o sampler.qpc
	for seed in 1 2 3 4; do
		sampler-check plain.qpc sampler.qpc "$seed"
	done
}

@test "a sampler in the graph chooses as its definition does" {
	sampled '' --include-sampler -b 3 --prompt-len 8
	qpc-run sampler.qpc --random --profile --output out >profile
	for kernel in attention rope rmsnorm cache_write last_token; do
		grep -q "^  $kernel " profile || complain "no $kernel"
	done
	sampled '' '--return-pdfs --max-top-k-ids 16' --prompt-len 4
	sampled --continuous-batching \
		'--return-pdfs --include-guided-decoding' \
		--full-batch-size 4 --prompt-len 8
	sampled '--spec target' --include-sampler --num-speculative-tokens 0 \
		--prompt-len 8
	sampled '--spec target' --include-sampler --num-speculative-tokens 3 \
		--prompt-len 8
	make-checkpoint --vocab 1500 wide
	hf-load -q wide -o wide.qeff
	model=wide.qeff sampled '' --include-sampler --prompt-len 4
	sampled --ccl-enabled --include-sampler --prompt-len 8 \
		--comp-ctx-lengths-prefill 64 --comp-ctx-lengths-decode 64
}

@test "what a sampler does not go with" {
	refused 3 "qeff-transform: *'sampler'*max_top_k_ids 65*64 tokens*" \
		qeff-transform --max-top-k-ids 65 "$D/m.qeff"
	refused 3 "qeff-transform: *'sampler'*guided decoding*" qeff-transform \
		--spec target --include-guided-decoding "$D/m.qeff"
	refused 3 "qeff-transform: *'sampler'*kv_cache*" \
		qeff-transform -t sampler "$D/m.qeff"
	refused 3 "qeff-transform: *'spd'*before sampler*" \
		qeff-transform -t kv_cache,sampler,spd "$D/m.qeff"
	qeff-transform -q --spec target --include-sampler "$D/m.qeff" |
		onnx-export -q -o m.onnx
	refused 3 'qnn-compile: *chooses tokens itself*' qnn-compile \
		--backend qaic --dry-run --no-cache \
		--num-speculative-tokens 3 m.onnx
}
