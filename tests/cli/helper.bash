# helper.bash - what all command tests share; they say `load helper` first.
#
# A test has the built programs in PATH, an empty directory $T, and runs
# offline in $T.  `refused` is the shape of most of them: a status, one line
# on stderr, nothing on stdout, nothing left behind.

bats_require_minimum_version 1.5.0

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	SHARED=${QEFF_SHARED:-$ROOT/../shared}
	PATH=${BIN:-$ROOT/build/bin}:${TOOLS:-$ROOT/build/tools}:$PATH
	T=$BATS_TEST_TMPDIR/t # bats keeps files of its own above it
	mkdir "$T" && cd "$T" || return 1
	export SHARED LC_ALL=C
}

# Says why a condition failed, with what the program printed.
complain() {
	printf '%s\n' "$1" "status ${status-}" "stdout: ${output-}" \
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
