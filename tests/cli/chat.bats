#!/usr/bin/env bats
# Conversations: what qpc-run makes a prompt of.

load helper

# The demo with two templates in a list, and one that has none.
setup_file() {
	places
	cd "$D" || return 1
	cp -r "$ROOT/share/models/demo" named
	chmod -R u+w named
	jq '.chat_template = [
		{name: "default", template: "default:{{ messages[0].content }}"},
		{name: "tool_use", template: "{% for t in tools %}{{ t.function.name }} {% endfor %}"},
		{name: "rag", template: "rag:{{ documents[0].text }}"}]' \
		"$ROOT/share/models/demo/tokenizer_config.json" \
		>named/tokenizer_config.json
	package "$ROOT/share/models/demo" >demo.qpc
	package named >named.qpc
	jq 'del(.chat_template)' "$ROOT/share/models/demo/tokenizer_config.json" \
		>named/tokenizer_config.json
	package named >none.qpc
}

package() {
	hf-load -q "$1" | qeff-transform -q | onnx-export -q | onnx-opt -q |
		qnn-compile -q --ctx-len 256 -o -
}

# dialogue PACKAGE OPTIONS...: three turns, an object a turn in `got`; what
# each turn's whole prompt gives alone, in `want`.
dialogue() {
	local p
	printf '%s\n' 'What is the capital of Japan?' \
		'What is the capital of France?' 'How many legs has a dog?' |
		qpc-run -q -i --json "$@" >got || return 1
	jq -r '.prompt_ids | map(tostring) | join(",")' got |
		while read -r p; do
			qpc-run -q --json --ids "$p" "$@" | jq -c .ids
		done >want
	jq -c .ids got | diff want - || complain "$* differs"
}

# prompt ARGUMENTS...: the text that the model is given
prompt() {
	accepted qpc-run -q --json -n 1 "$@"
	output=$(jq -j .prompt <<<"$output" && echo x)
	output=${output%x}
}

@test "messages from a file and from standard input" {
	cat >m.json <<-'JSON'
		[{"role": "user", "content": "a"},
		 {"role": "assistant", "content": "b"},
		 {"role": "user", "content": "c"}]
	JSON
	want=$'<|user|>\na<|end|>\n<|assistant|>\nb<|end|>\n<|user|>\nc<|end|>\n<|assistant|>\n'
	prompt "$D/demo.qpc" --messages m.json
	[ "$output" = "$want" ] || complain prompt
	run --separate-stderr sh -c 'qpc-run -q --json -n 1 "$D/demo.qpc" \
		--messages - <m.json | jq -j .prompt'
	[ "$output" = "${want%$'\n'}" ] || complain stdin
	jq '{messages: .}' m.json >o.json
	prompt "$D/demo.qpc" --messages o.json
	[ "$output" = "$want" ] || complain object
}

@test "a prompt goes behind the messages, the system prompt in front" {
	echo '[{"role": "assistant", "content": "b"}]' >m.json
	prompt "$D/demo.qpc" --messages m.json --system s -p u
	[ "$output" = $'<|system|>\ns<|end|>\n<|assistant|>\nb<|end|>\n<|user|>\nu<|end|>\n<|assistant|>\n' ] ||
		complain prompt
}

@test "several conversations, an answer each" {
	echo '[[{"role": "user", "content": "a"}], [{"role": "user", "content": "b"}]]' >m.json
	accepted qpc-run -q --json -n 1 "$D/demo.qpc" --messages m.json
	[ "${#lines[@]}" -eq 2 ] || complain lines
	[[ ${lines[1]} == *'<|user|>\nb<|end|>'* ]] || complain second
	refused 2 'qpc-run: prompts go behind one conversation, *2' \
		qpc-run -q "$D/demo.qpc" --messages m.json -p x
	refused 2 'qpc-run: --interactive goes on with one *2' \
		qpc-run -q "$D/demo.qpc" --messages m.json -i -f /dev/null
}

@test "messages that are none are refused by name" {
	for m in '[]' '{}' '3' '[1]' '[{"content": "a"}]' '[[]]' \
		'{"messages": [{"role": "user"}], "temperature": 1}' \
		'[[{"role": "user", "content": "a"}], {}]'; do
		echo "$m" >m.json
		refused 3 'qpc-run: m.json: *' qpc-run -q "$D/demo.qpc" \
			--messages m.json
	done
	refused 4 'qpc-run: none: *' qpc-run -q "$D/demo.qpc" --messages none
}

@test "a template of one's own, with variables" {
	echo '{{ messages[0].content }}|{{ n + 1 }}|{{ s }}|{{ q }}|{{ l[1] }}|{{ z is none }}' >t
	prompt "$D/demo.qpc" --template t --template-arg n=41 \
		--template-arg s=text --template-arg q='"7"' \
		--template-arg 'l=[1, 2]' --template-arg z=null -p hi
	[ "$output" = 'hi|42|text|7|2|True' ] || complain prompt
	run --separate-stderr qpc-run -n 1 "$D/demo.qpc" --template t -p hi \
		--template-arg n=1 --template-arg typo=1
	[[ $stderr == *"the chat template reads no 'typo'"* ]] || complain typo
	refused 2 "qpc-run: --template-arg 'x': not KEY=VALUE" \
		qpc-run -q "$D/demo.qpc" --template t --template-arg x -p hi
	echo '{{ nofilter|nofilter }}' >bad
	refused 3 "qpc-run: chat template: line 1: no filter *" \
		qpc-run -q "$D/demo.qpc" --template bad -p hi
	refused 4 'qpc-run: none: *' \
		qpc-run -q "$D/demo.qpc" --template none -p hi
}

@test "tools, and the template that is for them" {
	echo '[{"type": "function", "function": {"name": "add"}}]' >tools
	prompt "$D/named.qpc" --tools tools -p hi
	[ "$output" = 'add ' ] || complain tools
	prompt "$D/named.qpc" --chat -p hi
	[ "$output" = 'default:hi' ] || complain default
	prompt "$D/named.qpc" --template-name rag -p hi \
		--template-arg 'documents=[{"text": "d"}]'
	[ "$output" = 'rag:d' ] || complain rag
	refused 3 "qpc-run: no chat template is named 'x', there are: 'default', 'tool_use', 'rag'" \
		qpc-run -q "$D/named.qpc" --template-name x -p hi
	echo '{}' >tools
	refused 3 'qpc-run: tools: not an array of tools' \
		qpc-run -q "$D/named.qpc" --tools tools -p hi
	refused 3 'qpc-run: the model has no chat template' \
		qpc-run -q "$D/none.qpc" --chat -p hi
}

@test "reasoning switches are the template's own" {
	echo '{{ enable_thinking }}' >a
	echo '{% if thinking %}yes{% else %}no{% endif %}' >b
	echo '{{ reasoning_effort }}' >c
	echo '{{ messages[0].thinking }}{# enable_thinking #}enable_thinking' >d
	prompt "$D/demo.qpc" --template a --no-think -p hi
	[ "$output" = False ] || complain enable_thinking
	prompt "$D/demo.qpc" --template b --think -p hi
	[ "$output" = yes ] || complain thinking
	prompt "$D/demo.qpc" --template c --reasoning-effort high -p hi
	[ "$output" = high ] || complain effort
	refused 3 'qpc-run: --think: the chat template has no switch for it' \
		qpc-run -q "$D/demo.qpc" --template d --think -p hi
	refused 3 'qpc-run: --no-think: *no switch for it but --reasoning-effort' \
		qpc-run -q "$D/demo.qpc" --template c --no-think -p hi
	refused 3 "qpc-run: --reasoning-effort: *reads no 'reasoning_effort'" \
		qpc-run -q "$D/demo.qpc" --template a --reasoning-effort low -p hi
	refused 2 'qpc-run: --think and --no-think' \
		qpc-run -q "$D/demo.qpc" --template a --think --no-think -p hi
}

@test "no template: the messages as they are" {
	prompt "$D/none.qpc" --chat --no-template --system s -p hi
	[ "$output" = $'s\nhi' ] || complain prompt
	refused 2 'qpc-run: --no-template and --tools' qpc-run -q "$D/none.qpc" \
		--no-template --tools x -p hi --chat
}

@test "a conversation goes on line by line" {
	printf '%s\n' 'What is the capital of Japan?' '' \
		'What is two plus five?' >in
	accepted qpc-run -q "$D/demo.qpc" -i -f in --json
	[ "${#lines[@]}" -eq 2 ] || complain lines
	first=$(jq -r .text <<<"${lines[0]}")
	[[ $first == *Tokyo* ]] || complain Tokyo
	[ "$(jq -r .prompt <<<"${lines[1]}")" = "<|user|>
What is the capital of Japan?<|end|>
<|assistant|>
$first<|end|>
<|user|>
What is two plus five?<|end|>
<|assistant|>" ] || complain history
	run --separate-stderr sh -c 'qpc-run -q "$D/demo.qpc" -i <in'
	[[ ${lines[0]} == *Tokyo* ]] || complain stream
	refused 2 'qpc-run: --interactive and -p' \
		qpc-run -q "$D/demo.qpc" -i -p hi
}

@test "a conversation is not for vectors" {
	refused 2 'qpc-run: a conversation is for *' \
		qpc-run -q "$D/demo.qpc" --embed --chat -p hi
}

@test "named templates in files of their own" {
	cp -r "$D/named" files
	chmod -R u+w files
	mkdir files/additional_chat_templates
	printf 'main:{{ messages[0].content }}' >files/chat_template.jinja
	printf 'short:{{ messages[0].content }}' \
		>files/additional_chat_templates/short.jinja
	package files >files.qpc
	prompt files.qpc --chat -p x
	[ "$output" = main:x ] || complain default
	prompt files.qpc --template-name short -p x
	[ "$output" = short:x ] || complain short
	echo '[{"role": "user", "content": "y"}]' >m.json
	run qeff-tokenize render -m files --name short -i m.json
	[ "$output" = short:y ] || complain render
	run qpc-run -q files.qpc --template-name rag -p x
	[ "$status" -ne 0 ] && [[ $output == *"there are: 'short', 'default'"* ]] ||
		complain "the configuration's list"
}

@test "a turn goes on from what the cache has of the one before" {
	dialogue "$D/demo.qpc"
	# the template and the answer, up to where the next turn begins
	jq -se '.[0].cached_tokens == 0 and .[1].cached_tokens > 20 and
		.[2].cached_tokens > .[1].cached_tokens + 20' got
	[ "$(jq -s '[.[] | .prompt_ids | length] | add' got)" -gt \
		$((2 * $(jq -s '[.[] | (.prompt_ids | length) -
			.cached_tokens] | add' got))) ]
	printf 'a\nb\n' | qpc-run -i "$D/demo.qpc" 2>said >/dev/null
	grep -q '^qpc-run: Prompt tokens in the cache= 0 of ' said
	grep -q '^qpc-run: Prompt tokens in the cache= [1-9][0-9]* of ' said
	dialogue "$D/demo.qpc" --repeat-penalty 1.2
	dialogue "$D/demo.qpc" --temp 0.7 --seed 3
}

@test "so it does with guesses, with slots and with a sampler" {
	hf-load -q "$ROOT/share/models/demo" -o m.qeff
	compiled() { # NAME 'TRANSFORM OPTIONS' OPTIONS...
		# shellcheck disable=SC2086
		qeff-transform -q $2 m.qeff | onnx-export -q | onnx-opt -q |
			qnn-compile -q --ctx-len 256 "${@:3}" -o "$1"
	}
	compiled t.qpc '--spec target --continuous-batching' \
		--full-batch-size 2 --num-speculative-tokens 0,3
	dialogue t.qpc --prompt-lookup
	jq -se '.[2].cached_tokens > 20 and .[2].draft.proposed > 0' got
	dialogue t.qpc --draft "$D/demo.qpc"
	jq -se '.[2].draft | .accepted == .proposed' got
	compiled s.qpc --include-sampler -b 2
	dialogue s.qpc --presence-penalty 1
	jq -se '.[2].cached_tokens > 20' got
	# what was said before would be penalised though it is no longer there
	dialogue s.qpc --repeat-penalty 1.3
	jq -se '.[2].cached_tokens == 0' got
}
