#!/usr/bin/env bats
# The inputs and outputs that each transform gives a model (tests/io), and
# what it refuses.

load helper

setup_file() {
	places
	make-checkpoint "$D/ck"
	hf-load -q "$D/ck" -o "$D/m.qeff"
}

# table MODEL: an input or output a line, an empty one between.
table() {
	qeff-inspect --json "$1" | jq -r 'def row: "\(.name) \(.dtype) " +
		"[\(.shape | map(tostring) | join(", "))]";
		(.inputs[] | row), "", (.outputs[] | row)'
}

# The first line of a file in tests/io is the options.
@test "names, types and sizes are those of QEfficient" {
	for want in "$ROOT"/tests/io/*.txt; do
		read -r _ options <"$want"
		# shellcheck disable=SC2086
		qeff-transform -q $options "$D/m.qeff" -o t.qeff
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
		qeff-transform -q $options "$D/m.qeff" | onnx-export -q -o "$((n++)).onnx"
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

@test "what was applied, with its parameters, is in the model" {
	qeff-transform -q --continuous-batching --spec target "$D/m.qeff" |
		onnx-export -q -o m.onnx
	[ "$(qeff-inspect --json m.onnx |
		jq -c '.metadata["qeff.transforms"] | map(.name)')" = \
		'["custom_ops","kv_cache","continuous_batching","spd"]' ]
	qeff-inspect --json m.onnx | jq -e '.metadata["qeff.transforms"][3] ==
		{"name": "spd", "speculative_model_type": "target"}'
}
