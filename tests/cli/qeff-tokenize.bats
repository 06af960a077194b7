#!/usr/bin/env bats
# qeff-tokenize: lines in, lines out.

load helper

DEMO() {
	echo "$ROOT/share/models/demo"
}

@test "text to ids and back, from a directory and from its file" {
	echo 'Once upon a time' >in
	accepted qeff-tokenize encode "$(DEMO)" -i in
	[ "$output" = '0 483 479 262 482' ] || complain ids
	accepted qeff-tokenize encode -n "$(DEMO)/tokenizer.json" -i in
	[ "$output" = '483 479 262 482' ] || complain 'ids without special'
	echo '0 483 479 262 482' >ids
	accepted qeff-tokenize decode -s "$(DEMO)" --input=ids
	[ "$output" = 'Once upon a time' ] || complain text
	accepted qeff-tokenize count "$(DEMO)" -i in
	[ "$output" = 5 ] || complain count
}

@test "any artifact of the model is its tokenizer" {
	hf-load -q "$(DEMO)" -o m.qeff
	qeff-transform -q m.qeff | onnx-export -q -o m.onnx
	onnx-opt -q m.onnx -o o.onnx
	qnn-compile -q o.onnx -o m.qpc
	echo 'Once upon a time' >in
	for x in m.qeff m.onnx o.onnx m.qpc; do
		accepted qeff-tokenize encode "$x" -i in
		[ "$output" = '0 483 479 262 482' ] || complain "$x"
	done
	hf-load -q "$(DEMO)" >pipe
	run sh -c 'qeff-tokenize encode - -i in <pipe'
	[ "$output" = '0 483 479 262 482' ] || complain pipe
	echo '[{"role": "user", "content": "x"}]' >chat
	accepted qeff-tokenize render -m m.qpc -i chat
	[ "$output" = $'<|user|>\nx<|end|>\n<|assistant|>' ] || complain render
	accepted qeff-tokenize render -m m.qeff --jsonl -i chat
	[ "$output" = '{"text": "<|user|>\nx<|end|>\n<|assistant|>\n"}' ] ||
		complain lines
	refused 3 "*m.qpc: no chat template is named *" \
		qeff-tokenize render -m m.qpc --name x -i chat
	cp -r "$(DEMO)" ck
	chmod -R u+w ck
	hf-load -q ck -o ck.qeff
	echo >>ck/tokenizer.json
	refused 3 'qeff-tokenize: ck.qeff: ck/tokenizer.json: has changed *' \
		qeff-tokenize encode ck.qeff -i in
	refused 3 '*in: not a tokenizer: it looks like a .npy array' sh -c \
		'printf "\223NUMPY\001\000" >in; qeff-tokenize encode in -i chat'
}

@test "pairs, and names of tokens" {
	printf 'Once\tupon a time\n' >in
	accepted qeff-tokenize encode -p "$(DEMO)" -i in
	[ "$output" = '0 483 89 84 350 262 482' ] || complain pair
	accepted qeff-tokenize count -np "$(DEMO)" -i in
	echo 'Once upon' >in
	accepted qeff-tokenize encode -t "$(DEMO)" -i in
	[ "$output" = '<|endoftext|> Once Ġupon' ] || complain names
	refused 3 '*line 1: no tab *' qeff-tokenize encode -p "$(DEMO)" -i in
	refused 2 '*--pairs and --jsonl: *' \
		qeff-tokenize encode -pj "$(DEMO)" -i in
}

@test "objects on lines" {
	printf '%s\n' '{"text": "Once\nupon"}' '{"text": ""}' >in
	accepted qeff-tokenize encode -jn "$(DEMO)" -i in -o out
	accepted qeff-tokenize decode -j "$(DEMO)" -i out
	[ "${lines[0]}" = '{"text": "Once\nupon"}' ] || complain first
	[ "${lines[1]}" = '{"text": ""}' ] || complain second
}

@test "a compiled tokenizer gives the same, and damage is noticed" {
	accepted qeff-tokenize pack "$(DEMO)" -o t
	echo 'Once upon a time' >in
	accepted qeff-tokenize encode t -i in
	[ "$output" = '0 483 479 262 482' ] || complain ids
	head -c 1000 t >short
	refused 3 'qeff-tokenize: short: compiled tokenizer: *' \
		qeff-tokenize encode short -i in
}

@test "vocab.txt alone is a BERT" {
	printf '%s\n' '[UNK]' '[CLS]' '[SEP]' hel '##lo' >vocab.txt
	echo 'HELlo you' >in
	accepted qeff-tokenize encode . -i in
	[ "$output" = '1 3 4 0 2' ] || complain ids
}

@test "bad input is refused by name" {
	echo x >in
	refused 4 'qeff-tokenize: none: *' qeff-tokenize encode none -i in
	refused 3 '*no tokenizer.json*' qeff-tokenize encode . -i in
	echo '{"model":{"type":"Nope"}}' >t.json
	refused 3 "*t.json: *model 'Nope' is not supported" \
		qeff-tokenize encode t.json -i in
	refused 3 "*in: line 1: 'x' is not an id" \
		qeff-tokenize decode "$(DEMO)" -i in
	refused 3 '*in: line 1: *' qeff-tokenize encode -j "$(DEMO)" -i in
	refused 2 '*which command*' qeff-tokenize
	refused 2 '*needs TOKENIZER*' qeff-tokenize encode
	refused 4 '*: No space left on device' \
		sh -c 'qeff-tokenize encode "$1" -i in >/dev/full' - "$(DEMO)"
}

@test "render: variables to text, once or for each line" {
	printf '{%% for m in messages %%}\n[{{ m.role }}]{{ m.content }}\n{%% endfor %%}\n' >t
	printf '{"messages":\n [{"role": "user", "content": "a\\nb"}]}\n' >in
	accepted qeff-tokenize render -t t -i in
	[ "$output" = $'[user]a\nb' ] || complain text
	printf '%s\n' '{"messages": [{"role": "u"}]}' '{"messages": null}' \
		nonsense >lines
	accepted qeff-tokenize render --jsonl -t t -i lines
	[ "${lines[0]}" = '{"text": "[u]\n"}' ] || complain first
	[[ ${lines[1]} == '{"error": "line 1: '*'not iterable"}' ]] ||
		complain second
	[[ ${lines[2]} == '{"error": "bad JSON'* ]] || complain third
}

@test "render: the clock" {
	echo "{{ strftime_now('%a %d %b %Y %H:%M:%S %j') }}" >t
	echo '{}' >in
	accepted qeff-tokenize render -t t -i in --now 2024-02-29T23:59:58
	[ "$output" = 'Thu 29 Feb 2024 23:59:58 060' ] || complain leap
	accepted qeff-tokenize render -t t -i in --now 1999-12-31
	[ "$output" = 'Fri 31 Dec 1999 00:00:00 365' ] || complain date
	accepted qeff-tokenize render -t t -i in
	[[ $output == *' '20[0-9][0-9]' '* ]] || complain today
	for now in 2023-02-29 2024-13-01 2024-01-32 24-01-01 \
		2024-01-01T24:00:00 2024-01-01T00:00 now; do
		refused 2 "*: '$now' is no time, *" \
			qeff-tokenize render -t t -i in --now "$now"
	done
}

@test "render: bad input is refused by name" {
	echo '{}' >in
	refused 2 '*: which template*' qeff-tokenize render -i in
	refused 4 '*: none: *' qeff-tokenize render -t none -i in
	printf 'a\n{{ x|nope }}' >t
	refused 3 "*: t: line 2: no filter named 'nope'" \
		qeff-tokenize render -t t -i in
	echo '{{ raise_exception("no way") }}' >t
	refused 3 '*: t: no way' qeff-tokenize render -t t -i in
	echo '[]' >in
	refused 3 '*no JSON object*' qeff-tokenize render -t t -i in
}

@test "templates: as jinja2 renders them" {
	if ! /usr/bin/python3 -c 'import jinja2' 2>/dev/null; then
		skip 'no jinja2'
	fi
	run /usr/bin/python3 "$ROOT/tests/text/differential.py" --every 25 --wild 300 \
		"$TOOLS/template-render" "$ROOT/tests/text/template.t"
	[ "$status" -eq 0 ] || complain 'templates differ'
}

@test "templates: the collected renderings" {
	if [ ! -d "$SHARED/conformance/chat" ]; then
		skip 'no collection'
	fi
	run python3 "$SHARED/conformance/run_text_cases.py" --bin "$BIN" \
		--chat "$SHARED/conformance/chat"
	[ "$status" -eq 0 ] || complain 'templates differ'
}
