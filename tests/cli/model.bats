#!/usr/bin/env bats
# What stages 1 to 3 promise about models: numbers, configurations, sentence
# encoders.

load helper

# set_key FILE KEY VALUE: in a JSON object
set_key() {
	jq --argjson v "$3" ".$2 = \$v" "$1" >"$1.new" && mv "$1.new" "$1"
}

@test "the references' numbers come out of the exported graphs" {
	[ -d "$SHARED/golden" ] || skip 'no reference checkpoints here'
	export QEFF_SHARE=$ROOT/share
	for f in llama gpt2 bert mixtral gpt_oss deepseek_v3 lfm2 mpnet \
		deberta-v2 modernbert v5-qwen3_5_text embeddinggemma; do
		accepted model-check "$SHARED/golden/$f"
	done
}

@test "a key that nobody reads is refused, and taken with --no-strict" {
	make-checkpoint ck
	set_key ck/config.json frobnicate 3
	refused 3 "hf-load: config.json: key 'frobnicate' is not known*" \
		hf-load ck
	run --separate-stderr hf-load --no-strict ck
	[ "$status" -eq 0 ]
	[[ $stderr == *"'frobnicate' is not known and not used"* ]]
	for v in null false 0 '""' '[]' '{}'; do
		set_key ck/config.json frobnicate "$v"
		accepted hf-load -q ck
	done
}

@test "other quantisation is refused by name" {
	make-checkpoint ck
	set_key ck/config.json quantization_config \
		'{"quant_method": "bitsandbytes"}'
	refused 3 "hf-load: config.json: quantisation 'bitsandbytes' is*" \
		hf-load ck
	set_key ck/config.json quantization_config \
		'{"quant_method": "awq", "version": "gemv"}'
	refused 3 "*awq with version 'gemv' is not supported (gemm)" hf-load ck
}

@test "rope scaling is checked: type, keys, lengths" {
	make-checkpoint ck
	set_key ck/config.json rope_scaling '{"type": "linear", "factor": 2}'
	accepted hf-load -q ck
	set_key ck/config.json rope_scaling '{"rope_type": "spiral"}'
	refused 3 "*rope type 'spiral' is not supported" hf-load ck
	set_key ck/config.json rope_scaling \
		'{"rope_type": "linear", "factor": 2, "beta": 1}'
	refused 3 "*key 'beta' is not known to rope type 'linear'" hf-load ck
	set_key ck/config.json rope_scaling \
		'{"rope_type": "longrope", "short_factor": [1], "long_factor": [1]}'
	refused 3 '*short_factor has 1 factors, wanted 4' hf-load ck
}

@test "a class that does something else is refused" {
	make-checkpoint ck
	set_key ck/config.json architectures '["LlamaForImageToMusic"]'
	refused 3 "*class 'LlamaForImageToMusic' is not supported" hf-load ck
}

@test "without the cache a decoder exports with logits of all tokens" {
	make-checkpoint ck
	hf-load -q ck | qeff-transform -t custom_ops -o t.qeff
	accepted onnx-export t.qeff -o m.onnx
	accepted onnx-opt -o opt.onnx m.onnx
	run strings m.onnx
	[[ $output != *past_key* && $output == *position_ids* ]]
}

@test "a sentence encoder: pooling, dense and unit length" {
	make-checkpoint --family bert ck
	mkdir ck/1_Pooling ck/2_Dense
	t=sentence_transformers.models
	printf '[{"type":"%s.Transformer","path":""},{"type":"%s.Pooling","path":"1_Pooling"},{"type":"%s.Dense","path":"2_Dense"},{"type":"%s.Normalize","path":"3_Normalize"}]' \
		$t $t $t $t >ck/modules.json
	echo '{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}' \
		>ck/1_Pooling/config.json
	echo '{"bias": false, "activation_function": "torch.nn.Tanh"}' \
		>ck/2_Dense/config.json
	h='{"linear.weight":{"dtype":"F32","shape":[8,64],"data_offsets":[0,2048]}}'
	{
		put_header ${#h}
		printf %s "$h"
		head -c 2048 /dev/zero
	} >ck/2_Dense/model.safetensors
	hf-load -q ck | qeff-transform -o t.qeff
	[ "$(jq -c .modules.pooling.kinds t.qeff)" = '["cls","mean"]' ]
	[ "$(jq -c '[.modules.pooling.then[].kind]' t.qeff)" = \
		'["dense","normalize"]' ]
	accepted onnx-export t.qeff -o m.onnx
	echo x >ck/2_Dense/model.safetensors
	refused 3 'hf-load: *2_Dense*' hf-load ck
}

@test "--pooling and --normalize replace what the checkpoint says" {
	make-checkpoint --family bert ck
	set_key ck/config.json architectures '["BertModel"]'
	hf-load -q --no-strict ck >m.qeff
	for p in mean cls max last; do
		accepted qeff-transform --pooling $p --normalize m.qeff -o t.qeff
		[ "$(jq -r '.modules.pooling.kinds[0]' t.qeff)" = $p ]
		accepted onnx-export t.qeff -o $p.onnx
	done
}

@test "windows, sinks, caps, experts and rotations run by kernels" {
	[ -d "$SHARED/golden" ] || skip 'no reference checkpoints here'
	for f in gpt_oss gemma2 qwen3_moe deepseek_v2 nomic_bert bloom; do
		hf-load -q "$SHARED/golden/$f" | qeff-transform | onnx-export |
			onnx-opt >m.onnx
		run qnn-compile -vv --ctx-len 64 --prompt-len 8 --seq-len 16 \
			m.onnx -o m.qpc
		[ "$status" -eq 0 ]
		for op in Neg Where Softmax MatMul CtxGather CtxScatter \
			ExpertMatMul; do
			[[ $output != *"($op)"* ]] || complain "$f: $op"
		done
	done
}

@test "an activation, a head and a tensor that are not there" {
	make-checkpoint ck
	cp -r ck plain
	set_key ck/config.json hidden_act '"softsign"'
	hf-load -q ck -o m.qeff
	refused 3 "onnx-export: *activation 'softsign' is not known" \
		onnx-export m.qeff
	cp plain/config.json ck
	set_key ck/config.json architectures '["LlamaForMaskedLM"]'
	refused 3 "hf-load: *task 'masked-lm' is not known to architecture 'llama'" \
		hf-load ck
	cp plain/config.json ck
	reheader ck 's/model.layers.1.mlp.up_proj.weight/model.layers.1.mlp.up_porj.weight/'
	refused 3 "hf-load: ck: layer 1: mlp: tensor 'model.layers.1.mlp.up_proj.weight' is missing" \
		hf-load ck
}
