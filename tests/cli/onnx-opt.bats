#!/usr/bin/env bats
# onnx-opt: what it promises on its command line; what each pass does is in
# tests/pass.

load helper

# A model with something for most passes to do.
model() {
	make-onnx m.onnx <<-'END'
	graph small
	opset ai.onnx:17
	in %x : float32[batch,3]
	const %w : float32[3,4] = {0.5 ...}
	const %two : float32[] = {2}
	%i = Identity(%x) : float32[batch,3]
	%s = Sqrt(%two)
	%a = MatMul(%i, %w) : float32[batch,4]
	%b = Mul(%a, %s)
	%c = Mul(%a, %s)
	%y = Add(%b, %c) : float32[batch,4]
	out %y
	END
}

@test "help, version, unknown options, full stdout" {
	usage_rules onnx-opt
}

@test "the passes are listed" {
	accepted onnx-opt --list
	[[ $output == *fold* && $output == *dce* ]] || complain 'no list'
	run sh -c 'onnx-opt --list >/dev/full'
	[ "$status" -eq 4 ]
}

@test "the model gets smaller, and gives the same numbers" {
	model
	run --separate-stderr onnx-opt -v --verify m.onnx -o o.onnx
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "${stderr_lines[0]}" = 'onnx-opt: fold: 6 -> 5 nodes' ] ||
		complain 'no count'
	[ "${stderr_lines[-1]}" = 'onnx-opt: cse: 4 -> 3 nodes' ] ||
		complain 'no last count'
}

@test "the same bytes from a file, a pipe, and from its own output" {
	model
	accepted onnx-opt m.onnx -o a.onnx
	onnx-opt <m.onnx >b.onnx
	cmp a.onnx b.onnx
	accepted onnx-opt -p '' a.onnx -o c.onnx
	accepted onnx-opt -p '' -i a.onnx --output=d.onnx
	cmp c.onnx d.onnx
}

@test "provenance says what was done" {
	model
	accepted onnx-opt -p cse m.onnx -o a.onnx
	accepted onnx-opt --fix-shape batch=2 a.onnx -o b.onnx
	grep -aq '\[{"options": {"passes": "cse"}, "tool": "onnx-opt"' b.onnx
	grep -aq '{"options": {"fix-shape": \["batch=2"\]}, "tool"' b.onnx
}

@test "bad input is refused, and nothing is written" {
	model
	refused 4 "onnx-opt: none.onnx: No such file or directory" \
		onnx-opt -o out.onnx none.onnx
	head -c 200 m.onnx >short.onnx
	refused 3 'onnx-opt: short.onnx: *' onnx-opt -o out.onnx short.onnx
	echo '{}' >j
	refused 3 'onnx-opt: j: not an ONNX model: it looks like a JSON *' \
		onnx-opt -o out.onnx j
	: >empty
	refused 3 'onnx-opt: empty: *' onnx-opt -o out.onnx empty
	refused 2 "onnx-opt: *unknown pass 'cses', did you mean 'cse'?" \
		onnx-opt -p cses m.onnx -o out.onnx
	refused 3 "onnx-opt: m.onnx: --fix-shape: no dimension is named 'n'" \
		onnx-opt --fix-shape n=1 m.onnx -o out.onnx
	refused 3 "onnx-opt: m.onnx: --extract: no value is named 'q'" \
		onnx-opt --extract x:q m.onnx -o out.onnx
	run sh -c 'onnx-opt m.onnx >/dev/full'
	[ "$status" -eq 4 ]
}

@test "--check says whether a model is valid, and writes nothing" {
	model
	accepted onnx-opt --check m.onnx
	[ -z "$output" ]
	make-onnx bad.onnx <<-'END'
	in %x : float32[2]
	in %z : float32[3]
	%y = Add(%x, %z)
	out %y
	END
	refused 1 'onnx-opt: bad.onnx: node * (Add): *' onnx-opt --check bad.onnx
	refused 4 'onnx-opt: none: *' onnx-opt --check none
}

@test "--bisect names the pass that changed the numbers" {
	make-onnx m.onnx <<-'END'
	in %x : float32[2,3]
	const %w : float32[3,4] = {0.1 ...}
	const %k : float32[4] = {100000 ...}
	%a = MatMul(%x, %w)
	%y = Mul(%a, %k)
	out %y
	END
	accepted onnx-opt --bisect m.onnx -o o.onnx
	refused 1 "onnx-opt: m.onnx: pass 'fp16': output 'y'*" \
		onnx-opt --bisect --fp16 --rtol 0.01 m.onnx -o bad.onnx
}

@test "weights stay in their file, and are not read" {
	head -c 8M /dev/zero >w.bin
	model
	make-onnx big.onnx 16 <<-'END'
	in %x : float32[1,1024]
	const %w : float32[1024,1024] = w.bin+0
	const %v : float32[1024,1024] = w.bin+4194304
	%a = MatMul(%x, %w) : float32[1,1024]
	%y = MatMul(%a, %v) : float32[1,1024]
	out %y
	END
	accepted peak 1 30 onnx-opt big.onnx -o o.onnx
	[ ! -e o.onnx.data ]
	[ "$(stat -c %s o.onnx)" -lt 2000 ]
	accepted onnx-opt --materialize big.onnx -o p.onnx
	[ "$(stat -c %s p.onnx.data)" -eq 8388608 ]
}

@test "what we write, the ONNX checker accepts" {
	/usr/bin/python3 -c 'import onnx' 2>/dev/null || skip 'no onnx module'
	model
	accepted onnx-opt m.onnx -o o.onnx
	accepted onnx-opt --opset 18 m.onnx -o p.onnx
	/usr/bin/python3 -c 'import onnx
for f in "o.onnx", "p.onnx":
	onnx.checker.check_model(f, full_check=f < "p")'
}
