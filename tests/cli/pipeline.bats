#!/usr/bin/env bats
# The six programs together.

load helper

@test "in one line, for every family, dtype and number of files" {
	for o in '--family llama' '--family llama --kv-heads 2 --tied' \
		'--dtype BF16 --shards 3' '--family gpt2 --dtype F16' \
		'--heads 2 --hidden 48 --inter 52 --vocab 71'; do
		rm -rf ck
		# shellcheck disable=SC2086  # words are meant
		make-checkpoint $o ck
		hf-load ck | qeff-transform | onnx-export | onnx-opt |
			qnn-compile --ctx-len 64 --prompt-len 8 >m.qpc
		accepted qpc-run -q m.qpc --ids 1,2,3,4,5,6,7,8,9,10 -n 5 \
			--ignore-eos
		[[ $output =~ ^[0-9]+(,[0-9]+){4}$ ]] || complain "$o"
	done
}

@test "files in between or pipes, the tokens are the same" {
	artifacts .
	mkdir elsewhere
	hf-load ck | qeff-transform | onnx-export | onnx-opt |
		qnn-compile --ctx-len 64 --prompt-len 8 >elsewhere/m.qpc
	rm -r ck ./*.qeff ./*.onnx
	[ "$(qpc-run -q m.qpc --ids 5,6,7 -n 20 --ignore-eos)" = \
		"$(qpc-run -q elsewhere/m.qpc --ids 5,6,7 -n 20 --ignore-eos)" ]
}

@test "passes do not change tokens" {
	artifacts .
	qnn-compile m.onnx --ctx-len 64 --prompt-len 8 >plain.qpc
	[ "$(qpc-run -q m.qpc --ids 5,6,7 -n 20 --ignore-eos)" = \
		"$(qpc-run -q plain.qpc --ids 5,6,7 -n 20 --ignore-eos)" ]
}

@test "a model with weights of its own can be moved" {
	artifacts .
	mkdir elsewhere
	onnx-export --materialize t.qeff -o elsewhere/a.onnx
	rm -r ck model.safetensors
	qnn-compile elsewhere/a.onnx --ctx-len 64 --prompt-len 8 >a.qpc
	[ "$(qpc-run -q m.qpc --ids 1,2,3 -n 8 --ignore-eos)" = \
		"$(qpc-run -q a.qpc --ids 1,2,3 -n 8 --ignore-eos)" ]
}

@test "the first failure is told, the rest is quiet about it" {
	run --separate-stderr bash -o pipefail -c \
		'hf-load none | qeff-transform | onnx-export >o'
	[ "$status" -ne 0 ]
	[[ ${stderr_lines[0]} == 'hf-load: none'*': No such file or directory' ]]
}

@test "stages 1 to 4 do not read weights" {
	case $BIN in *asan*) skip 'memory is not ours under ASan' ;; esac
	make-checkpoint --sparse --dtype BF16 --hidden 2048 --inter 5632 \
		--layers 12 --heads 16 --kv-heads 8 --vocab 32000 big
	accepted peak 1 100 hf-load -q big -o m.qeff
	accepted peak 1 100 qeff-transform m.qeff -o t.qeff
	accepted peak 1 100 onnx-export t.qeff -o m.onnx
	accepted peak 1 100 onnx-opt m.onnx -o o.onnx
}

@test "an interrupted run ends with its own status, and nothing else" {
	mkfifo slow
	for sig in INT:130 TERM:143; do
		sleep 3 >slow 3>&- &
		run --separate-stderr timeout --preserve-status -s "${sig%:*}" \
			0.5 onnx-opt -o out <slow
		[ "$status" -eq "${sig#*:}" ] || complain "after $sig"
		[ -z "$stderr" ] || complain "after $sig"
		[ ! -e out ]
	done
}
