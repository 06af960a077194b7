# helper.bash - what all command tests share; they say `load helper` first.
#
# bats' run makes use of the variable i, so tests keep off it.
# A test has the built programs in PATH, an empty directory $T, and runs
# offline in $T.  `refused` is the shape of most of them: a status, one line
# on stderr, nothing on stdout, nothing left behind.

bats_require_minimum_version 1.5.0

places() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	SHARED=${QEFF_SHARED:-$ROOT/../shared}
	BIN=${BIN:-$ROOT/build/bin}
	PATH=$BIN:${TOOLS:-$ROOT/build/tools}:$PATH
	D=$BATS_FILE_TMPDIR # what the tests of a file share
	export ROOT SHARED BIN D LC_ALL=C
}

setup() {
	places
	T=$BATS_TEST_TMPDIR/t # bats keeps files of its own above it
	mkdir "$T" && cd "$T" || return 1
}

# Says why a condition failed, with what the program printed.
complain() {
	printf '%.400s\n' "$1" "status ${status-}" "stdout: ${output-}" \
		"stderr: ${stderr-}" >&2
	return 1
}

# refused STATUS GLOB COMMAND...
# The command ends with STATUS and one line on stderr that matches GLOB;
# stdout is empty and no file appeared or went away under $T.
refused() {
	local want=$1 glob=$2 before
	shift 2
	before=$(find . | sort)
	run --separate-stderr "$@"
	[ "$status" -eq "$want" ] || complain "wanted status $want" || return 1
	[ -z "$output" ] || complain 'wanted nothing on stdout' || return 1
	[ "${#stderr_lines[@]}" -eq 1 ] || complain 'wanted one line' ||
		return 1
	# shellcheck disable=SC2053  # a glob is what it is
	[[ $stderr == $glob ]] || complain "wanted $glob" || return 1
	[ "$(find . | sort)" = "$before" ] ||
		complain "files changed: $(find . | sort)"
}

# accepted COMMAND...: status 0 and a silent stderr.
accepted() {
	run --separate-stderr "$@"
	[ "$status" -eq 0 ] || complain 'wanted status 0' || return 1
	[ -z "$stderr" ] || complain 'wanted a silent stderr'
}

# The same for every program: usage_rules PROGRAM [OPERAND]
usage_rules() {
	accepted "$1" -h
	[[ ${lines[0]} == "usage: $1 "* ]] || complain 'no usage line'
	[ "$output" = "$("$1" --help)" ] || complain '--help is not -h'
	accepted "$1" --version
	[[ $output =~ ^"$1 (qeff) "[0-9]+\.[0-9]+\.[0-9]+$ ]] ||
		complain 'no version'
	refused 2 "$1: unknown option '--frobnicate' (see $1 -h)" \
		"$1" --frobnicate
	refused 2 "$1: unknown option '--hepl', did you mean '--help'?" \
		"$1" --hepl
	refused 2 "$1: unknown option '-Y' (see $1 -h)" "$1" -Y
	run sh -c "$1 -h >/dev/full"
	[ "$status" -eq 4 ] || complain 'a full stdout is not an error'
	run sh -c "$1 -h >&-"
	[ "$status" -eq 4 ] || complain 'a closed stdout is not an error'
}

# out_rules PROGRAM ARGUMENTS...: what holds for every -o and stdout of a
# command that works.
out_rules() {
	accepted "$@" -o out
	[ -s out ] || complain 'no output'
	cp out first
	accepted "$@" -o out # over an old one
	cmp out first || complain 'two runs differ'
	rm out first
	refused 4 "$1: none*: No such file or directory" "$@" -o none/out
	refused 4 "$1: ?*: Is a directory" "$@" -o .
	refused 4 "$1: */dev/full: No space left on device" "$@" -o /dev/full
	run --separate-stderr sh -c '"$@" >/dev/full' sh "$@"
	[ "$status" -eq 4 ] || complain 'a full stdout is not an error'
	[[ $stderr == "$1: "*"No space left on device" ]] ||
		complain 'a full stdout is not named'
	run --separate-stderr sh -c '"$@" >&-' sh "$@"
	[ "$status" -eq 4 ] || complain 'a closed stdout is not an error'
}

# in_rules PROGRAM GOOD ARGUMENTS...: what holds for every input but a
# checkpoint; GOOD is one that works and has no comments or padding to lose.
in_rules() {
	local prog=$1 good=$2 size n
	shift 2
	refused 4 "$prog: none: No such file or directory" "$prog" "$@" none
	refused 4 "$prog: .: Is a directory" "$prog" "$@" .
	: >"$BATS_TEST_TMPDIR/empty"
	refused 3 "$prog: *empty*" "$prog" "$@" "$BATS_TEST_TMPDIR/empty"
	refused 3 "$prog: *empty*" sh -c '"$@" - </dev/null' sh \
		"$prog" "$@"
	size=$(stat -c %s "$good")
	for n in 1 2 3 8 16 100 511 512 513 1000 4096 $((size / 4)) \
		$((size / 2)) $((size - 100)) $((size - 2)); do
		if [ "$n" -ge "$size" ] || [ "$n" -le 0 ]; then
			continue
		fi
		head -c "$n" "$good" >"$BATS_TEST_TMPDIR/cut"
		refused 3 "$prog: *cut: ?*" "$prog" "$@" "$BATS_TEST_TMPDIR/cut"
	done
	# bytes that are none of our kinds
	printf '<!DOCTYPE html><html>' >"$BATS_TEST_TMPDIR/page"
	refused 3 "$prog: *page: ?*" "$prog" "$@" "$BATS_TEST_TMPDIR/page"
	head -c 3000 /dev/zero >"$BATS_TEST_TMPDIR/zero"
	refused 3 "$prog: *zero: ?*" "$prog" "$@" "$BATS_TEST_TMPDIR/zero"
}

# damaged PROGRAM FILE ARGUMENTS...: with any one byte of FILE changed the
# program takes it or refuses it; it never crashes or hangs.
damaged() {
	local prog=$1 file=$2 size k at
	shift 2
	size=$(stat -c %s "$file")
	for k in $(seq 1 40); do
		at=$((k * 7919 * 31 % size))
		cp "$file" "$BATS_TEST_TMPDIR/bad"
		printf '\377' | dd of="$BATS_TEST_TMPDIR/bad" bs=1 seek="$at" \
			conv=notrunc status=none
		run --separate-stderr timeout 20 "$prog" "$@" \
			"$BATS_TEST_TMPDIR/bad" -o out
		case $status in
		0 | 3 | 4) ;;
		*) complain "byte $at" ;;
		esac
		rm -f out
	done
}

# artifacts DIR [OPTIONS OF make-checkpoint]: a checkpoint and what each
# stage makes of it, for files that need them: ck m.qeff t.qeff m.onnx
# o.onnx m.qpc
artifacts() {
	local d=$1
	shift
	make-checkpoint "$@" "$d/ck" &&
		hf-load -q "$d/ck" -o "$d/m.qeff" &&
		qeff-transform "$d/m.qeff" -o "$d/t.qeff" &&
		onnx-export "$d/t.qeff" -o "$d/m.onnx" &&
		onnx-opt "$d/m.onnx" -o "$d/o.onnx" &&
		qnn-compile "$d/o.onnx" --ctx-len 64 --prompt-len 8 \
			--seq-len 16 -o "$d/m.qpc"
}

# reheader DIR SED: edits the header of a safetensors file.
reheader() {
	local file=$1/model.safetensors n
	n=$(od -An -tu8 -N8 "$file")
	head -c $((8 + n)) "$file" | tail -c +9 | sed "$2" |
		tr -d '\n' >"$1/header"
	tail -c +$((9 + n)) "$file" >"$1/data"
	put_header "$(stat -c %s "$1/header")" >"$file"
	cat "$1/header" "$1/data" >>"$file"
	rm "$1/header" "$1/data"
}

# put_header N: N as eight bytes, the lowest first.
put_header() {
	local i n=$1
	for i in 0 8 16 24 32 40 48 56; do
		# shellcheck disable=SC2059
		printf "\\x$(printf %x $((n >> i & 255)))"
	done
}
