#!/usr/bin/env bats
# What qpc-run promises on its command line and to hostile packages.

load helper

setup_file() {
	places
	artifacts "$D" --dtype BF16
	mkdir "$D/e"
	artifacts "$D/e" --family bert
}

@test "help, version, unknown options, full stdout" {
	usage_rules qpc-run
	refused 2 'qpc-run: needs FILE (see qpc-run -h)' qpc-run
	refused 2 "qpc-run: --temp: 'hot' is not a number" \
		qpc-run "$D/m.qpc" --temp hot
	refused 2 'qpc-run: --top-p: 2 is not in 0 to 1' \
		qpc-run "$D/m.qpc" --top-p 2
}

@test "packages that are cut, of another kind or not there are refused" {
	in_rules qpc-run "$D/m.qpc" --ids 1,2
	refused 3 'qpc-run: *m.onnx: *ONNX*' qpc-run "$D/m.onnx" --ids 1
	refused 3 'qpc-run: *m.qeff: *' qpc-run "$D/m.qeff" --ids 1
}

@test "ids in, ids out; the same whatever the threads" {
	run --separate-stderr qpc-run "$D/m.qpc" --ids 1,2,3 -n 12 --ignore-eos
	[ "$status" -eq 0 ]
	[[ $output =~ ^[0-9]+(,[0-9]+){11}$ ]]
	want=$output
	for t in 1 2 3; do
		accepted qpc-run -q -t $t "$D/m.qpc" --ids 1,2,3 -n 12 \
			--ignore_eos
		[ "$output" = "$want" ]
	done
}

@test "a prompt may be shorter than, equal to or longer than a chunk" {
	ids=1
	for n in $(seq 2 20); do
		ids=$ids,$((n % 60 + 1))
		accepted qpc-run -q "$D/m.qpc" --ids "$ids" -n 4 --ignore-eos
		[[ $output =~ ^[0-9]+(,[0-9]+){3}$ ]] || complain "$n"
	done
}

@test "ids that make no sense are refused" {
	for ids in 64 -1 x '' ',' '1,x' 99999999999999999999; do
		run --separate-stderr qpc-run "$D/m.qpc" --ids "$ids" -n 1
		[ "$status" -eq 2 ] || [ "$status" -eq 3 ] || complain "$ids"
		[ "${#stderr_lines[@]}" -eq 1 ] || complain "$ids"
	done
}

@test "a prompt longer than the cache is refused" {
	ids=$(seq -s, 1 60),$(seq -s, 1 10)
	refused 3 'qpc-run: *70*64*' qpc-run "$D/m.qpc" --ids "$ids" -n 1
}

@test "generation ends where the cache does" {
	accepted qpc-run -q "$D/m.qpc" --ids 1,2,3,4 --ignore-eos
	[ "$(tr ',' '\n' <<<"$output" | wc -l)" -le 61 ]
}

@test "sampling depends on its seed alone" {
	s='--temp 1 --top-k 20 --top-p 0.95 -n 16 --ignore-eos'
	# shellcheck disable=SC2086  # words are meant
	for t in 1 2; do
		qpc-run -q "$D/m.qpc" --ids 1,2 $s -s 7 -t $t >a$t
		qpc-run -q "$D/m.qpc" --ids 1,2 $s -s 8 -t $t >b$t
	done
	cmp a1 a2
	cmp b1 b2
	run ! cmp -s a1 b1
}

@test "a package without tokenizer runs by ids alone" {
	refused 3 'qpc-run: *tokenizer*' qpc-run "$D/m.qpc" -p hello
}

@test "logits are a matrix of tokens by vocabulary" {
	accepted qpc-run -q "$D/m.qpc" --ids 1,2 -n 5 --ignore-eos \
		--logits l.npy
	[ "$(head -c 6 l.npy)" = $'\x93NUMPY' ]
	grep -aq "'shape': (5, 64)" l.npy
	run --separate-stderr qpc-run -q "$D/m.qpc" --ids 1 -n 1 \
		--logits none/l.npy
	[ "$status" -eq 4 ]
	[ "$stderr" = 'qpc-run: none/l.npy: No such file or directory' ]
}

@test "a full disk and a closed stdout are errors" {
	run --separate-stderr sh -c \
		'qpc-run -q "$D/m.qpc" --ids 1,2 -n 4 >/dev/full'
	[ "$status" -eq 4 ]
	[[ $stderr == 'qpc-run: '*'No space left on device' ]]
	run sh -c 'qpc-run -q "$D/m.qpc" --ids 1,2 -n 4 >&-'
	[ "$status" -eq 4 ]
}

@test "tensors in, tensors out" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy'
	/usr/bin/python3 -c 'import numpy as n
n.save("ids.npy", n.arange(16).reshape(1, 16))
n.save("mask.npy", n.ones((1, 16), "i8"))
n.save("types.npy", n.zeros((1, 16), "i8"))
n.save("bad.npy", n.ones((2, 5)))'
	accepted qpc-run -q "$D/e/m.qpc" --input input_ids=ids.npy \
		--input attention_mask=mask.npy --input token_type_ids=types.npy \
		--output out
	[ -s out/last_hidden_state.npy ]
	rm -r out
	refused 3 'qpc-run: *input_ids*' qpc-run -q "$D/e/m.qpc" \
		--input input_ids=bad.npy --input attention_mask=mask.npy \
		--output out
	refused 3 "qpc-run: *'nobody'*" qpc-run -q "$D/e/m.qpc" \
		--input nobody=ids.npy --output out
	refused 4 'qpc-run: none.npy: No such file or directory' qpc-run -q \
		"$D/e/m.qpc" --input input_ids=none.npy --output out
	refused 3 'qpc-run: *m.qpc*' qpc-run -q "$D/e/m.qpc" \
		--input "input_ids=$D/e/m.qpc" --output out
}

@test "damaged packages never crash it" {
	size=$(stat -c %s "$D/m.qpc")
	for k in $(seq 1 60); do
		cp "$D/m.qpc" bad
		printf '\377' | dd of=bad bs=1 seek=$((k * k * 97 % size)) \
			conv=notrunc status=none
		run --separate-stderr timeout 20 qpc-run -q bad --ids 1,2 -n 2
		case $status in
		0 | 3) ;;
		*) complain "byte $((k * k * 97 % size))" ;;
		esac
	done
}

# A package of a random encoder of this family with a tokenizer of few words.
labeller() {
	make-checkpoint --family "$1" --vocab 16 ck
	printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' a cat dog sat \
		on the mat '##s' '.' b c >ck/vocab.txt
	echo '{"tokenizer_class": "BertTokenizer", "do_lower_case": true}' \
		>ck/tokenizer_config.json
	hf-load -q ck | qeff-transform -q | onnx-export | onnx-opt |
		qnn-compile -q --seq-len "${2-16}" -o "$1.qpc"
}

@test "--classify names the likeliest label; a short program gives the same" {
	labeller bert-labels 8,32
	accepted qpc-run -q bert-labels.qpc --classify -p 'the cat sat' -p 'dogs .'
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[0]} =~ ^(yes|no)$'\t'0\.[0-9]{6}$ ]]
	run qpc-run -q bert-labels.qpc --classify --json -p 'the cat sat' \
		-p 'the cat sat on the mat the cat sat on the mat'
	jq -se '.[0].scores | (map(.score) | add - 1 | fabs < 1e-5) and
		(map(.label) | sort == ["no", "yes"]) and
		.[0].score >= .[1].score' <<<"$output"
	qpc-run -q bert-labels.qpc --classify --json -p 'the cat sat' >short
	head -n 1 <<<"$output" >long # the second text asks for the long program
	jq -se '(.[0].score - .[1].score | fabs < 1e-5) and .[0].label == .[1].label' \
		short long
}

@test "--rerank scores documents by a query, in their order" {
	labeller bert-labels
	accepted qpc-run -q bert-labels.qpc --rerank -p 'a cat' -p 'the dog' -p mat
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[1]} == *$'\tmat' ]]
	refused 2 'qpc-run: --rerank takes a query*' \
		qpc-run bert-labels.qpc --rerank -p 'a cat'
}

@test "--tokens labels each token that is no special one" {
	labeller bert-tokens
	accepted qpc-run -q bert-tokens.qpc --tokens -p 'the cats sat'
	[ "$(cut -f 1 <<<"$output" | tr '\n' ' ')" = 'the cat ##s sat ' ]
	[[ ${lines[0]} == *$'\tLABEL_'* ]]
	accepted qpc-run -q bert-tokens.qpc --tokens --json -p 'the cats sat'
	[ "$(jq '.tokens | length' <<<"$output")" -eq 4 ]
	refused 3 'qpc-run: *the package labels tokens, not texts' \
		qpc-run bert-tokens.qpc --classify -p 'the cat'
}

@test "labels and documents: the best ones, the best first; pairs on a line" {
	labeller bert-labels
	accepted qpc-run -q bert-labels.qpc --classify --top-k 0 -p 'the cat'
	[[ $output =~ ^(yes|no)$'\t'0\.[0-9]+$'\t'(yes|no)$'\t'0\.[0-9]+$ ]]
	accepted qpc-run -q bert-labels.qpc --rerank --top-k 2 \
		-p cat -p dog -p mat -p 'the cat sat'
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[0]} > ${lines[1]} ]]
	qpc-run -q bert-labels.qpc --rerank -p cat -p dog -p mat >apart
	printf 'cat\tdog\ncat\tmat\n' |
		qpc-run -q bert-labels.qpc --rerank --pairs --lines | cmp - apart
	refused 3 "qpc-run: --pairs: no tab in 'the cat'" \
		qpc-run bert-labels.qpc --classify --pairs -p 'the cat'
}

@test "texts of any length and number get what they get alone" {
	labeller bert-labels 8,16
	for k in 1 2 3 4 5 6 7; do
		yes 'the cat sat on' | head -n "$k" | tr '\n' ' '
		echo
	done >texts
	qpc-run bert-labels.qpc --classify --lines -f texts >all 2>err
	grep -q '4 of 7 texts are cut to 16 tokens' err
	while read -r line; do
		qpc-run -q bert-labels.qpc --classify -p "$line"
	done <texts >alone
	cmp all alone
}

@test "--aggregate joins tokens to what they name, with its place" {
	labeller bert-tokens
	sed -i 's/"architectures"/"id2label": {"0": "O", "1": "B-X"}, &/' \
		ck/config.json
	hf-load -q ck | qeff-transform -q | onnx-export | onnx-opt |
		qnn-compile -q --seq-len 16 -o named.qpc
	qpc-run -q named.qpc --tokens --json -p 'The Cats sat' >tokens
	jq -e '.tokens | map("\(.token) \(.start) \(.end)") == ["the 0 3",
		"cat 4 7", "##s 7 8", "sat 9 12"]' tokens
	qpc-run -q named.qpc --tokens --aggregate first --json \
		-p 'The Cats sat' >entities
	jq -se '(.[0].tokens | map(select(.label == "B-X" and .token != "##s")) |
		length) == (.[1].entities | length)' tokens entities
	jq -e '.entities | all(.entity_group == "X" and
		.word == ("The Cats sat"[.start:.end]))' entities
	refused 2 "*--aggregate: 'most' is not one of*" \
		qpc-run named.qpc --tokens --aggregate most -p 'the cat'
}

@test "--question finds words of a text, however long it is" {
	labeller bert-tokens
	sed -i 's/ForTokenClassification/ForQuestionAnswering/' ck/config.json
	sed -i 's/classifier/qa_outputs/g' ck/model.safetensors
	hf-load -q ck | qeff-transform -q | onnx-export | onnx-opt |
		qnn-compile -q --seq-len 24 -o qa.qpc
	text=$(yes 'The cats sat on a mat .' | head -n 9 | tr '\n' ' ')
	accepted qpc-run -q qa.qpc --json --question 'a cat' --question dog \
		-p "$text"
	jq -se --arg t "$text" 'length == 2 and
		all(.score > 0 and .score <= 1 and .answer != "" and
		.answer == $t[.start:.end])' <<<"$output"
	refused 3 'qpc-run: *has no input_ids*start_logits*' \
		qpc-run bert-tokens.qpc --question 'a cat' -p 'the mat'
}

@test "--embed follows sentence-transformers: prompts, lengths, letter case" {
	labeller bert
	t=sentence_transformers.models
	printf '[{"type":"%s.Transformer","path":""},{"type":"%s.Pooling","path":"1_Pooling"},{"type":"%s.Normalize","path":"2_Normalize"}]' \
		$t $t $t >ck/modules.json
	mkdir ck/1_Pooling
	echo '{"pooling_mode": ["lasttoken", "mean_sqrt_len_tokens"]}' \
		>ck/1_Pooling/config.json
	echo '{"prompts": {"query": "a cat ", "document": ""},
		"default_prompt_name": "query"}' \
		>ck/config_sentence_transformers.json
	echo '{"max_seq_length": 6, "do_lower_case": true}' \
		>ck/sentence_bert_config.json
	hf-load -q ck | qeff-transform -q | onnx-export | onnx-opt |
		qnn-compile -q --seq-len 16 -o st.qpc
	qpc-run -q st.qpc --embed -p 'sat' >usual
	qpc-run -q st.qpc --embed --prompt-name query -p 'SAT' | cmp - usual
	qpc-run -q st.qpc --embed --prompt-name document -p 'a cat sat' |
		cmp - usual
	qpc-run -q st.qpc --embed --prompt-name '' -p 'a cat sat' | cmp - usual
	qpc-run st.qpc --embed --json -p 'the mat on the dog' 2>err >json
	jq -e '.embedding | length == 64 and (map(. * .) | add - 1 | fabs < 1e-5)' \
		json
	grep -q '1 of 1 texts are cut to 6 tokens' err
	refused 2 "qpc-run: --prompt-name 'poem': the model has document query" \
		qpc-run st.qpc --embed --prompt-name poem -p sat
}

@test "inputs by their number, in any form; the same outputs" {
	/usr/bin/python3 -c 'import numpy' 2>/dev/null || skip 'no numpy'
	make-onnx add.onnx <<-'EOF'
		graph main
		opset ai.onnx:17
		in %x : float32[2,3]
		in %y : int64[2]
		const %one : float32[3] = {1, 2, 3}
		%z = Add(%x, %one) : float32[2,3]
		%w = Add(%y, %y) : int64[2]
		out %z
		out %w
	EOF
	qnn-compile -q add.onnx -o add.qpc
	mkdir in
	/usr/bin/python3 -c 'import numpy as n
x = n.arange(6, dtype="f4").reshape(2, 3)
y = n.array([5, 6], "i4")
n.save("in/input_0.npy", x)
n.save("y.npy", y)
n.savez("both.npz", x=x, y=y)
y.astype("i8").tofile("in/input_1.raw")'
	accepted qpc-run -q add.qpc --inputs in --outputs out
	[ "$(ls out)" = $'output_0.pb\noutput_1.pb' ]
	accepted qpc-run -q add.qpc --input both.npz --outputs out2
	cmp out/output_0.pb out2/output_0.pb
	accepted qpc-run -q add.qpc --input x=in/input_0.npy \
		--input y=in/input_1.raw --output named --format raw
	[ "$(od -An -td8 -w16 <named/w.raw | tr -s ' ')" = ' 10 12' ]
	[ "$(od -An -tf4 -w24 <named/z.raw | tr -s ' ')" = ' 1 3 5 4 6 8' ]
	accepted qpc-run -q add.qpc --input x=- --input y=y.npy \
		--output piped <in/input_0.npy
	head -c 4 y.npy >short
	refused 3 "qpc-run: input 'y': short: 4 bytes, wanted int64 *2*" \
		qpc-run add.qpc --input x=in/input_0.npy --input y=short \
		--output none
	refused 2 "qpc-run: input 'y' is given twice" qpc-run add.qpc \
		--input both.npz --input y=y.npy --output none
	mkdir empty
	refused 3 'qpc-run: empty: holds no input_0.pb' \
		qpc-run add.qpc --inputs empty --output none
}

@test "random inputs depend on the seed; figures are the product" {
	qpc-run -q "$D/e/m.qpc" --random -s 3 --outputs a
	qpc-run -q "$D/e/m.qpc" --random -s 3 --outputs b -t 1
	qpc-run -q "$D/e/m.qpc" --random -s 4 --outputs c
	cmp a/output_0.pb b/output_0.pb
	run ! cmp -s a/output_0.pb c/output_0.pb
	accepted qpc-run -q "$D/e/m.qpc" --random --iterations 20 --warmup 0
	[[ $output == 'Main: 20 runs, '*' runs/s'*'p50 '*'p90 '*'p95 '*'p99 '* ]]
	accepted qpc-run -q "$D/e/m.qpc" --random --duration 0.05 --json
	/usr/bin/python3 -c 'import json, sys
r = json.load(sys.stdin)
assert r["iterations"] * r["latency_mean_ms"] >= 50, r
assert r["latency_min_ms"] <= r["latency_p50_ms"] <= r["latency_p90_ms"]
assert r["latency_p99_ms"] <= r["latency_max_ms"]' <<<"$output"
	refused 2 "qpc-run: --shapes 'x:2xa': wanted NAME:1x3x224x224" \
		qpc-run "$D/e/m.qpc" --random --shapes x:2xa
	refused 3 "qpc-run: input 'input_ids': *3*, wanted *" \
		qpc-run "$D/e/m.qpc" --random --shapes input_ids:3x3
}

# Sums to 1 but for rounding.
whole() {
	jq -e "$1"' | map(.share) | add | . > 0.999 and . < 1.001' >/dev/null
}

@test "--profile: each kind of step, its share, what it moved" {
	accepted qpc-run -q "$D/m.qpc" --ids 1,2,3 -n 5 --ignore-eos --profile --json
	[ "${#lines[@]}" -eq 2 ]
	p=${lines[1]}
	[ "$(jq -r '.profile.programs | map("\(.name) \(.runs)") | join(", ")' \
		<<<"$p")" = 'Prefill 1, Decode 4' ]
	for k in 0 1; do
		whole ".profile.programs[$k].kinds" <<<"$p"
		whole ".profile.programs[$k].steps" <<<"$p"
		[ "$(jq ".profile.programs[$k] | (.kinds | map(.bytes) | add) ==
			(.steps | map(.bytes) | add)" <<<"$p")" = true ]
	done
	jq -e '.profile.limits | .read_bytes_per_second > 1e8 and
		.float32_ops_per_second > 1e8 and
		.int8_ops_per_second > 1e8' <<<"$p" >/dev/null
	accepted qpc-run -q "$D/m.qpc" --ids 1,2,3 -n 5 --ignore-eos --profile
	[[ ${lines[0]} =~ ^[0-9]+(,[0-9]+){4}$ ]]
	[[ $output == *$'\n'Decode:\ 4\ runs,*matmul\ *limits:\ * ]] || complain
}

@test "--profile: encoders too, before any other figure" {
	labeller bert-labels
	accepted qpc-run -q bert-labels.qpc --classify -p 'the cat' --profile --json
	[ "${#lines[@]}" -eq 2 ]
	jq -e '.profile.programs | length == 1 and .[0].name == "Main" and
		(.[0].kinds | any(.kernel == "matmul"))' <<<"${lines[1]}"
	accepted qpc-run -q bert-labels.qpc --random --iterations 3 --profile --json
	jq -e '.profile.programs[0].runs == 3' <<<"$output"
}

@test "--trace: an event for each step of each run" {
	accepted qpc-run -q "$D/m.qpc" --ids 1,2,3 -n 3 --ignore-eos --trace t.json
	[ "${#lines[@]}" -eq 1 ]
	[ "$(jq '[.traceEvents[] | select(.cat == "program")] | length' t.json)" -eq 3 ]
	jq -e '.traceEvents | all(.ph == "X" and .dur >= 0 and .ts >= 0)' t.json
	run ! qpc-run -q "$D/m.qpc" --ids 1 -n 1 --trace none/t.json
}

@test "--bench --roofline sets the figures beside the machine's" {
	accepted qpc-run -q "$D/m.qpc" --bench --iterations 1 -n 4 --roofline --json
	jq -e '.decode_tokens_per_second > 0 and .peak_rss_bytes > 0 and
		(.roofline.programs | length) == 2 and
		(.roofline.programs | all(.fraction > 0 and .bytes_per_run > 0))' \
		<<<"$output"
	accepted qpc-run -q "$D/m.qpc" --bench --iterations 1 -n 4 --roofline
	[[ $output == *$'\n'limits:\ reading\ *Decode:\ *%* ]] || complain
}
