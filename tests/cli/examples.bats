#!/usr/bin/env bats
# What the manual pages and the README show is what the programs do: each of
# their examples runs, as it stands, on the files it names.

load helper

setup_file() {
	places
	cd "$D" || return 1
	cp -R "$ROOT/share/models/demo" model
	# with the switches that some examples turn
	jq '.chat_template += "{% if tools and enable_thinking %}{% endif %}"' \
		model/tokenizer_config.json >new && mv new model/tokenizer_config.json
	cp model/config.json .
	hf-load model | qeff-transform >m.qeff
	onnx-export m.qeff | onnx-opt >m.onnx
	qnn-compile -q m.onnx --ctx-len 512 --prompt-len 32 -o m.qpc
	echo '[{"role": "user", "content": "Who are you?"}]' >messages.json
	jq '{messages: .}' messages.json >chat.json
	echo '[{"type": "function", "function": {"name": "add"}}]' >tools.json
	jq -r .chat_template model/tokenizer_config.json >chat_template.jinja
	make-checkpoint --family bert --vocab 4096 bert
	cp model/tokenizer*.json bert
	hf-load -q bert | qeff-transform -q | onnx-export -q | onnx-opt -q |
		qnn-compile -q --seq-len 16 -o encoder.qpc
	printf 'one text\nand another\n' >sentences.txt
	make-onnx net.onnx <<-'END'
		graph main
		opset ai.onnx:17
		in %x : float32[2]
		%y = Add(%x, %x) : float32[2]
		out %y
	END
	qnn-compile -q net.onnx -o net.qpc
	{
		printf '\223NUMPY\1\0\166\0'
		printf '%-117s\n' \
			"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
		printf '\0\0\200\77\0\0\0\100'
	} >cat.npy
	mkdir qpc
	make-programqpc qpc/programqpc.bin
}

# The commands of a manual page: what a dollar stands before.
examples() {
	sed -n 's/^\.Dl \$ //p' "$1" | sed 's/\\-/-/g'
}

# Every one in turn, in a directory with all that they name; diff may differ.
run_all() {
	local line want
	cp -R "$D"/. .
	PATH=$ROOT/tests/qaic/sdk/exec:$PATH
	export XDG_CACHE_HOME=$T/cache STANDIN_QPC=$D/qpc/programqpc.bin
	while IFS= read -r line; do
		want=0
		[[ $line != *'| diff '* ]] || want=1
		run --separate-stderr bash -o pipefail -c "$line" </dev/null
		[ "$status" -le $want ] || complain "$line" || return 1
	done
}

@test "the examples of every manual page" {
	local page n=0
	for page in "$ROOT"/man/*.[157]; do
		examples "$page" >commands
		n=$((n + $(wc -l <commands)))
		mkdir "${page##*/}"
		(cd "${page##*/}" && run_all <../commands) ||
			complain "an example of ${page##*/}"
		rm -r "${page##*/}"
	done
	[ "$n" -ge 30 ] || complain "only $n examples were found"
}

@test "the commands of the README, from the source's directory" {
	mkdir -p share/models
	cp -R "$ROOT/share/models/demo" share/models
	sed -n '/^    hf-load share/,/^$/s/^    //p' "$ROOT/README.md" >commands
	[ "$(wc -l <commands)" -ge 6 ] || complain 'too few'
	run_all <commands
}
