#!/usr/bin/env bats
# What qeff-transform promises on its command line and to hostile documents.

load helper

setup_file() {
	places
	make-checkpoint "$D/ck"
	make-checkpoint --family bert "$D/bert"
	hf-load -q "$D/ck" -o "$D/m.qeff"
	hf-load -q "$D/bert" -o "$D/bert.qeff"
}

@test "help, version, unknown options, full stdout" {
	usage_rules qeff-transform
}

@test "--list names the transforms, and -t takes each" {
	accepted qeff-transform --list
	[ "${#lines[@]}" -ge 3 ]
	accepted qeff-transform -t kv_cache "$D/m.qeff"
	[ "$(jq -c '[.transforms[].name]' <<<"$output")" = '["kv_cache"]' ]
}

@test "a decoder gets a cache, a document says what was applied" {
	accepted qeff-transform "$D/m.qeff"
	[[ $(jq -c '[.transforms[].name]' <<<"$output") == *'"kv_cache"'* ]]
	accepted qeff-transform "$D/bert.qeff"
	[[ $(jq -c '[.transforms[].name]' <<<"$output") != *'"kv_cache"'* ]]
}

@test "outputs are whole, repeatable, and say when they fail" {
	out_rules qeff-transform "$D/m.qeff"
}

@test "inputs that are cut, of another kind or not there are refused" {
	in_rules qeff-transform "$D/m.qeff"
	refused 3 'qeff-transform: *: *ONNX*' \
		qeff-transform "$ROOT/tests/fuzz/corpus/onnx/test_scan_sum"
	refused 3 'qeff-transform: *: *safetensors*' \
		qeff-transform "$D/ck/model.safetensors"
	refused 3 'qeff-transform: *config.json: *' \
		qeff-transform "$D/ck/config.json"
}

@test "a document is read from a pipe, and written to one" {
	qeff-transform "$D/m.qeff" >a
	hf-load -q "$D/ck" | (cd / && qeff-transform) >b
	cmp a b
}

@test "unknown names are refused, with the nearest one" {
	refused 2 "qeff-transform: *'kv_cach'*kv_cache*" \
		qeff-transform -t kv_cach "$D/m.qeff"
	refused 2 "qeff-transform: *'men'*" \
		qeff-transform --pooling men "$D/bert.qeff"
}

@test "a transform that does not fit is refused" {
	refused 3 'qeff-transform: *kv_cache*' \
		qeff-transform -t kv_cache "$D/bert.qeff"
	refused 3 'qeff-transform: *pooling*' \
		qeff-transform -p mean "$D/m.qeff"
}

@test "damaged documents never crash it" {
	damaged qeff-transform "$D/m.qeff"
}
