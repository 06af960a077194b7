#!/usr/bin/env bats
# What hf-load promises on its command line and to hostile checkpoints.

load helper

@test "help, version, unknown options, full stdout" {
	usage_rules hf-load
	refused 2 'hf-load: needs DIR (see hf-load -h)' hf-load
	refused 2 "hf-load: what is 'b' for? (see hf-load -h)" hf-load a b
	refused 2 'hf-load: -o needs FILE' hf-load -o
}

@test "--list names the architectures" {
	accepted hf-load --list
	for a in llama gpt2 bert; do
		[[ $output == *"$a "* ]] || complain "no $a"
	done
}

@test "a checkpoint is loaded from its directory and its config.json" {
	for f in llama gpt2 bert; do
		make-checkpoint --family $f ck
		accepted hf-load -q ck
		[ "$output" = "$(hf-load -q ck/config.json)" ]
		[ "$output" = "$(hf-load -q --model_name ck)" ]
		[ "$(jq -r .config.model_type <<<"$output")" = $f ]
		rm -r ck
	done
}

@test "shards, dtypes and tied weights are loaded" {
	make-checkpoint --shards 3 --dtype BF16 --tied a
	accepted hf-load -q a
	make-checkpoint --dtype F16 --kv-heads 2 --layers 1 b
	accepted hf-load -q b
}

@test "outputs are whole, repeatable, and say when they fail" {
	make-checkpoint ck
	out_rules hf-load -q ck
}

@test "no absolute path in a file" {
	make-checkpoint ck
	accepted hf-load -q ck -o m.qeff
	run grep -F "$T" m.qeff
	[ "$status" -eq 1 ]
	cp -r ck m.qeff "$BATS_TEST_TMPDIR"
	(cd "$BATS_TEST_TMPDIR" && hf-load -q ck -o n.qeff && cmp m.qeff n.qeff)
}

@test "what is not there is named" {
	refused 4 'hf-load: none*: No such file or directory' hf-load none
	mkdir d
	refused 4 'hf-load: d/config.json: No such file or directory' hf-load d
	make-checkpoint ck
	rm ck/model.safetensors
	refused 4 'hf-load: ck*model.safetensors*' hf-load ck
	make-checkpoint --shards 2 two
	rm two/model-00002-of-00002.safetensors
	refused 4 'hf-load: two/*model-00002-of-00002.safetensors: No such *' \
		hf-load two
}

@test "a configuration that is not one is refused" {
	make-checkpoint ck
	for c in '' '[]' '{' '{"model_type": 3}' '{}' '{"a": 1, "a": 2}'; do
		echo "$c" >ck/config.json
		refused 3 'hf-load: *config.json: ?*' hf-load ck
	done
	echo '{"model_type": "llama"}' >ck/config.json
	refused 3 'hf-load: ck*: ?*' hf-load ck
}

@test "sizes that make no sense are refused" {
	make-checkpoint ck
	cp ck/config.json good
	for s in 's/"hidden_size": 32/"hidden_size": -32/' \
		's/"hidden_size": 32/"hidden_size": 0/' \
		's/"hidden_size": 32/"hidden_size": 4611686018427387904/' \
		's/"hidden_size": 32/"hidden_size": 31/' \
		's/"hidden_size": 32/"hidden_size": "x"/' \
		's/"num_hidden_layers": 2/"num_hidden_layers": 0/' \
		's/"num_hidden_layers": 2/"num_hidden_layers": 9999999999/' \
		's/"num_attention_heads": 4/"num_attention_heads": 0/' \
		's/"num_key_value_heads": 4/"num_key_value_heads": 3/'; do
		sed "$s" good >ck/config.json
		refused 3 'hf-load: ?*' hf-load ck
	done
}

@test "an unknown architecture is named, with what to do" {
	make-checkpoint ck
	sed -i 's/"model_type": "llama"/"model_type": "lama"/' ck/config.json
	refused 3 "hf-load: *config.json: *'lama'*" hf-load ck
	sed -i 's/"model_type": "lama"/"model_type": "..\/arch\/llama"/' \
		ck/config.json
	refused 3 "hf-load: *config.json: *" hf-load ck
}

@test "a weight file that is something else is named as such" {
	make-checkpoint ck
	f=ck/model.safetensors
	printf '%s\n' 'version https://git-lfs.github.com/spec/v1' \
		'oid sha256:0123' 'size 4900000000' >$f
	refused 3 "hf-load: $f: *git-lfs*" hf-load ck
	printf '<!DOCTYPE html><html><body>404</body></html>' >$f
	refused 3 "hf-load: $f: *web page*" hf-load ck
	: >$f
	refused 3 "hf-load: $f: *empty*" hf-load ck
}

@test "a weight file cut anywhere is refused" {
	make-checkpoint ck
	mv ck/model.safetensors good
	size=$(stat -c %s good)
	for n in 1 7 8 9 100 1000 3000 $((size / 2)) $((size - 1)); do
		head -c "$n" good >ck/model.safetensors
		refused 3 'hf-load: ck/model.safetensors: ?*' hf-load ck
	done
	cat good >ck/model.safetensors
	echo >>ck/model.safetensors
	refused 3 'hf-load: ck/model.safetensors: ?*' hf-load ck
}

# hostile HEADER: a weight file of that header and 64 bytes is refused.
hostile() {
	put_header ${#1} >ck/model.safetensors
	printf %s "$1" >>ck/model.safetensors
	head -c 64 /dev/zero >>ck/model.safetensors
	refused 3 'hf-load: ck/model.safetensors: ?*' hf-load ck
}

@test "hostile headers are refused" {
	make-checkpoint ck
	for n in 0 1 4096 2147483648 4294967296 9223372036854775807 -1; do
		put_header $n >ck/model.safetensors
		printf '{}' >>ck/model.safetensors
		refused 3 'hf-load: ck/model.safetensors: ?*' hf-load ck
	done
	t='"dtype":"F32","shape"'
	hostile "{\"a\":{$t:[16],\"data_offsets\":[0,128]}}"
	hostile "{\"a\":{$t:[16],\"data_offsets\":[64,0]}}"
	hostile "{\"a\":{$t:[16],\"data_offsets\":[-64,0]}}"
	hostile "{\"a\":{$t:[-16],\"data_offsets\":[0,64]}}"
	hostile "{\"a\":{$t:[-4,-4],\"data_offsets\":[0,64]}}"
	hostile "{\"a\":{$t:[4],\"data_offsets\":[0,64]}}"
	hostile "{\"a\":{$t:[4294967296,4294967296],\"data_offsets\":[0,64]}}"
	hostile "{\"a\":{$t:[8],\"data_offsets\":[0,32]},\"b\":{$t:[16],\"data_offsets\":[0,64]}}"
	hostile "{\"a\":{$t:[16],\"data_offsets\":[0,64]},\"a\":{$t:[16],\"data_offsets\":[0,64]}}"
	hostile "{\"a\":{$t:[16],\"data_offsets\":[0]}}"
	hostile "{\"a\":{$t:[16]}}"
	hostile "{\"a\":{$t:16,\"data_offsets\":[0,64]}}"
	hostile "{\"a\":[]}"
	hostile '[]'
	hostile '{"a":'
}

@test "a tensor that is missing, surplus or misshapen is named" {
	make-checkpoint ck
	cp ck/model.safetensors good
	reheader ck 's/layers.1.mlp.up_proj/layers.1.mlp.xx_proj/'
	refused 3 'hf-load: *layers.1.mlp.??_proj.weight*' hf-load ck
	cp good ck/model.safetensors
	reheader ck 's/"model.norm.weight":/"model.enorm.weight":/'
	refused 3 'hf-load: *model.*norm.weight*' hf-load ck
	cp good ck/model.safetensors
	reheader ck 's/"shape":\[64,32\]/"shape":[32,64]/'
	refused 3 'hf-load: *32*64*' hf-load ck
	cp good ck/model.safetensors
	reheader ck 's/"dtype":"F32","shape":\[32\]/"dtype":"I32","shape":[32]/'
	refused 3 'hf-load: *norm.weight*I32*' hf-load ck
}

@test "a surplus tensor is taken with --no-strict" {
	make-checkpoint ck
	# the last tensor of the file loses its place to two halves
	reheader ck 's/"lm_head.weight":{"dtype":"F32","shape":\[64,32\],"data_offsets":\[\([0-9]*\),\([0-9]*\)\]}/&,"extra.weight":{"dtype":"F32","shape":[0],"data_offsets":[\2,\2]}/'
	refused 3 'hf-load: *extra.weight*' hf-load ck
	accepted hf-load -q --no-strict ck
}

@test "a shard index cannot point outside of its directory" {
	make-checkpoint --shards 2 ck
	cp ck/model-00002-of-00002.safetensors outside.safetensors
	sed -i 's/model-00002-of-00002/..\/outside/g' \
		ck/model.safetensors.index.json
	refused 3 'hf-load: ck/model.safetensors.index.json: ?*' hf-load ck
}

@test "a terminal name in a file does not reach the terminal" {
	make-checkpoint ck
	sed -i 's/"model_type": "llama"/"model_type": "\\u001b[31m\\nx"/' \
		ck/config.json
	refused 3 'hf-load: *' hf-load ck
	[[ $stderr != *$'\e'* ]]
}

@test "weights are not read: 1.3 GB in a moment and little memory" {
	case $BIN in *asan*) skip 'memory is not ours under ASan' ;; esac
	make-checkpoint --sparse --dtype BF16 --hidden 2048 --inter 5632 \
		--layers 12 --heads 16 --kv-heads 8 --vocab 32000 big
	accepted peak 1 100 hf-load -q big -o m.qeff
}

@test "an unknown model_type: what is near, and what is missing" {
	make-checkpoint ck
	jq '.model_type = "qwen9_moe" | .mamba_d_conv = 4 | .state_size = 8' \
		ck/config.json >new
	mv new ck/config.json
	refused 3 "hf-load: config.json: model_type 'qwen9_moe' is not in share/arch; nearest: 'qwen*', *; missing blocks: state space (try hf-load --list)" \
		hf-load ck
	jq '.model_type = "zzz" | del(.mamba_d_conv) | del(.state_size)' \
		ck/config.json >new
	mv new ck/config.json
	refused 3 "hf-load: config.json: model_type 'zzz' is not in share/arch (try hf-load --list)" \
		hf-load ck
}

@test "a key that is missing is called by its name" {
	make-checkpoint ck
	jq 'del(.hidden_size)' ck/config.json >new
	mv new ck/config.json
	refused 3 "hf-load: ck: 'hidden_size' is missing*" hf-load ck
}

@test "--task takes the bare model of a checkpoint with a head, and refuses others" {
	local d=$SHARED/golden/bert-mlm
	[ -d "$d" ] || skip "no golden checkpoints"
	hf-load -q --task feature-extraction "$d" | jq -e '
		.modules.task == "feature-extraction" and
		(.modules | has("task_head") | not)'
	run -3 hf-load -q --task question-answering "$d"
	run -2 hf-load -q --task poetry "$d"
	[[ $output == *"task 'poetry': not one of text-generation"* ]]
}
