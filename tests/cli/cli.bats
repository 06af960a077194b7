#!/usr/bin/env bats
# What the parser promises to every program, shown on tests/tools/cli-probe.c.

load helper

@test "help, version, unknown options, full stdout" {
	usage_rules cli-probe
}

@test "options are read in every spelling" {
	for a in '-fx0.5 -n 5' '-f -x 0.5 -n5' '-fn5 -x.5' \
		'--flag --fraction=0.5 --number 5' '--fraction .5 -fn 5'; do
		# shellcheck disable=SC2086  # words are meant
		accepted cli-probe $a
		[ "${lines[0]}" = 'flag=1 on=1 n=5 x=0.5' ] || complain "$a"
	done
}

@test "an underscore is a dash, and other names work" {
	for a in --some-text --some_text --old-text --old_text --other; do
		accepted cli-probe $a=z
		[[ ${lines[1]} == 'text=z '* ]] || complain "$a"
		accepted cli-probe $a z
		[[ ${lines[1]} == 'text=z '* ]] || complain "$a"
	done
}

@test "a value may look like an option or be empty" {
	accepted cli-probe -t -h --list -x --list= -l -- --some-text ''
	[[ ${lines[1]} == 'text= '* ]]
	[ "${lines[2]}" = 'list=-x;;--;' ]
}

@test "words and flags set what they say; the last one wins" {
	accepted cli-probe --no-on -w -m a --mode=bc x
	[ "${lines[0]}" = 'flag=0 on=0 n=7 x=-1' ]
	[ "${lines[1]}" = 'text=t word=w mode=bc operand=x in=in out=-' ]
}

@test "what follows -- is left alone" {
	accepted cli-probe x -- -f --flag y
	[ "${lines[0]}" = 'flag=0 on=1 n=7 x=-1' ]
	[ "${lines[3]}" = 'rest=-f;--flag;y;' ]
}

@test "bad values are named with what was wanted" {
	p=cli-probe
	refused 2 "$p: --number: '5x' is not a whole number" $p -n 5x
	refused 2 "$p: --number: '' is not a whole number" $p -n ''
	refused 2 "$p: --number: 101 is not in -5 to 100" $p -n 101
	refused 2 "$p: --number: '99999999999999999999' is not a whole number" \
		$p -n 99999999999999999999
	refused 2 "$p: --fraction: 'nan' is not a number" $p -x nan
	refused 2 "$p: --fraction: 1.5 is not in 0 to 1" $p -x 1.5
	refused 2 "$p: --mode: 'b' is not one of a|bc" $p -m b
	refused 2 "$p: --input needs FILE" $p --input=
	refused 2 "$p: --number needs N" $p --number
	refused 2 "$p: -n needs N" $p -fn
	refused 2 "$p: --flag takes no value" $p --flag=1
	refused 2 "$p: what is 'y' for? (see $p -h)" $p x y
	refused 2 "$p: needs [[]FILE] (see $p -h)" $p ''
	refused 2 "$p: unknown option '--nunber', did you mean '--number'?" \
		$p --nunber 3
}

@test "a terminal is not waited for, nor shown a binary" {
	command -v script >/dev/null || skip 'no script(1)'
	run script -qec 'cli-probe -i -' /dev/null
	[ "$status" -eq 2 ]
	[[ $output == *'which is a terminal here'* ]]
	run script -qec 'cli-probe -b -' /dev/null
	[ "$status" -eq 2 ]
	[[ $output == *'the output is binary'* ]]
}

@test "a reader that has enough ends us quietly" {
	run --separate-stderr bash -c 'cli-probe -h | head -c1'
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
}

@test "tables are printed without anything else to do" {
	accepted cli-probe --ops
	[[ $output == *MatMul* ]]
	accepted cli-probe --kernels -v
	[[ $output == *matmul* ]]
	run sh -c 'cli-probe --ops >/dev/full'
	[ "$status" -eq 4 ]
}
