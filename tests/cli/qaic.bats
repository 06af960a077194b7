#!/usr/bin/env bats
# What Qualcomm's compilers are given, and how their results are kept.
#
# tests/qaic/cases: a line with a model of tests/qaic/models and options, then
# the command lines, an argument a line, and the files, as QEfficient's own
# compile() at ebf55e81 makes them; tests/qaic/layout.txt: the name it gives
# to the folder of its result, then a model and options.

load helper

setup_file() {
	places
	export Q=$BATS_TEST_DIRNAME/../qaic
	for m in "$Q"/models/*.txt; do
		n=${m##*/}
		make-onnx "$D/${n%.txt}.onnx" <"$m"
	done
	make-programqpc "$D/small.bin"
}

setup_card() {
	export STANDIN_LOG=$T/args STANDIN_QPC=$D/small.bin
	export STANDIN_DOES='' STANDIN_CARD=''
	made_files
	CARD=(--backend qaic --sdk "$Q/sdk" --cache-dir "$T/cache")
}

# Files that cases name.
made_files() {
	echo '{"converter_args_extension":"--onnx_defer_loading","context_binary_generator_args_extension":"--log_level debug","qnn_compilation_backend":{"compiler_num_of_cores":8,"compiler_ols":4}}' >qnn.json
	printf 'FP32NodeInstanceNames:\n- logits\n' >npi.yaml
	echo '{"connections":[{"devices":[0,1],"type":"p2p"}],"partitions":[{"name":"Partition0","devices":[{"deviceId":0,"numCores":16},{"deviceId":1,"numCores":16}]}]}' >mdp.json
	echo '{"partitions":[{"nodeList":["embed/Cast","model/layers.1/Abs","model/layers.3/Abs","logits"]}]}' >dumped.json
}

# A process that is there and not only waited for.
alive() {
	[ -d "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status"
}

# Commands and files of a dry run, in the form of a case.
rehearse() {
	local model=$1 out
	shift
	rm -rf dry
	out=$(qnn-compile -q --backend qaic --sdk SDK --dry-run \
		--cache-dir dry -i "$D/$model.onnx" "$@") || return
	printf '%s\n' "$out" | while read -r line; do
		tr ' ' '\n' <<<"$line"
		echo
	done
	for f in dry/qpc-*/*; do
		[ -f "$f" ] || continue
		printf -- '-- %s\n' "${f##*/}"
		cat "$f"
		[ -z "$(tail -c 1 "$f")" ] || echo
	done
}

@test "command lines and files are QEfficient's, byte for byte" {
	made_files
	n=0
	for c in "$Q"/cases/*.txt; do
		read -r args <"$c"
		tail -n +3 "$c" >want
		# shellcheck disable=SC2086
		rehearse $args | sed -e "s|$D/[a-z0-9-]*.onnx|MODEL|" \
			-e 's|dry/qpc-[0-9a-f]*|DIR|' >got
		cmp -s want got ||
			complain "${c##*/}: $(diff want got | head -20)"
		n=$((n + 1))
	done
	[ "$n" -ge 69 ]
}

@test "a real run gives the compiler what the dry run said" {
	setup_card
	qnn-compile -q "${CARD[@]}" --num-devices 2 "$D/causal.onnx" -o m.qpc
	sed 's|\.part||' args >real
	qnn-compile -q "${CARD[@]}" --num-devices 2 --dry-run --cache-dir dry \
		"$D/causal.onnx" | tr ' ' '\n' >said
	diff <(sed 's|[^=]*/qpc-|qpc-|' real) <(sed 's|[^=]*/qpc-|qpc-|' said)
}

@test "the package holds the result, the files and what it is" {
	setup_card
	qnn-compile -q "${CARD[@]}" "$D/causal.onnx" -o m.qpc
	tar xOf m.qpc programqpc.bin | cmp - "$D/small.bin"
	tar xOf m.qpc manifest.json >m.json
	[ "$(jq -r .backend m.json)" = qaic ]
	[ "$(jq -r '.specializations[1].symbols.seq_len' m.json)" = 1 ]
	! grep "$T" m.json || complain 'a place is in the package'
	qeff-inspect --verify m.qpc >/dev/null
	qeff-inspect --dot m.qpc >picture
	grep -qF 'programqpc.bin\nfor qaic, 1 devices' picture
	grep -qF 'Decode\nbatch_size 1\nctx_len 128\nseq_len 1' picture
}

@test "QEfficient finds its folder" {
	setup_card
	qnn-compile -q "${CARD[@]}" --layout qefficient "$D/causal.onnx" -o lay
	[ "$(find lay -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
	dir=$(echo lay/qpc-*)
	[[ ${dir#lay/qpc-} =~ ^[0-9a-f]{16}$ ]]
	cmp "$dir/qpc/programqpc.bin" "$D/small.bin"
	for f in specializations.json custom_io.yaml qconfig.json \
		hashed_compile_params.json; do
		[ -s "$dir/$f" ] || complain "no $f"
	done
	# the name is the digest of what is in the file, on one line, but for
	# the files the command got afterwards
	jq -cSj '.command |= map(select(test("^-(network-spec|custom-IO|aic-bin)") | not))' \
		"$dir/hashed_compile_params.json" | sha256sum >sum
	[ "$(head -c 16 sum)" = "${dir#lay/qpc-}" ]
	jq -r '.command[]' "$dir/hashed_compile_params.json" |
		grep -qx -- "-aic-binary-dir=$dir/qpc"
	[ "$(jq -r .qpc_config.compiler_config.retained_state "$dir/qconfig.json")" = true ]
}

@test "the folder has the name that QEfficient gives it, for each class" {
	setup_card
	mkdir SDK
	ln -s "$Q"/sdk/* "$Q"/qnn/* SDK
	ln -s "$D"/*.onnx .
	n=0
	while read -r hash model args; do
		rm -rf lay cache
		# shellcheck disable=SC2086
		qnn-compile -q --backend qaic --sdk SDK --cache-dir cache \
			-o lay --layout qefficient \
			"-i/proc/self/cwd/$model.onnx" $args ||
			complain "$model $args"
		[ -e "lay/qpc-$hash" ] ||
			complain "$model $args: $(ls lay), not $hash"
		n=$((n + 1))
	done <"$Q/layout.txt"
	[ "$n" -ge 66 ]
}

@test "what QEfficient keeps beside the folder is beside it" {
	setup_card
	qnn-compile -q "${CARD[@]}" --layout qefficient --num-devices 2 \
		--mdp-num-partitions 2 "$D/layers.onnx" -o lay
	(cd lay && find . -type f | sed 's|qpc-[0-9a-f]*|H|' | sort) |
		diff - <(printf '%s\n' ./H/custom_io.yaml \
			./H/hashed_compile_params.json ./H/qconfig.json \
			./H/qpc/programqpc.bin ./H/specializations.json \
			./mdp_disagg_2d_2p.json)
	qnn-compile -q --backend qnn --sdk "$Q/qnn" --cache-dir cache \
		--layout qefficient --mxint8-kv-cache --num-devices 2 \
		"$D/causal.onnx" -o qnn
	(cd qnn && find . -type f | sed 's|qpc-[0-9a-f]*|H|' | sort) |
		diff - <(printf '%s\n' ./H/programqpc.bin ./custom_io_config.yaml \
			./model.dlc ./qconfig.json ./qnn_compile_backend.json \
			./qnn_compiler_config.json ./qnn_data_format_config.json \
			./specializations.json ./tensor_slicing.json)
	grep -q '"qnn/tensor_slicing.json"' qnn/qnn_compile_backend.json
}

@test "the same again, and from a folder that moved, is not compiled" {
	setup_card
	mkdir one
	artifacts one
	onnx-export -q one/t.qeff -o one/m.onnx
	qnn-compile -q "${CARD[@]}" one/m.onnx -o a.qpc
	mv one two
	accepted qnn-compile -q "${CARD[@]}" two/m.onnx -o b.qpc
	[ "$(grep -c qaic-compile args)" -eq 1 ]
	cmp a.qpc b.qpc
}

@test "a byte of the weights, an option, the compiler: each compiles anew" {
	setup_card
	artifacts .
	qnn-compile -q "${CARD[@]}" m.onnx -o a.qpc
	run --separate-stderr qnn-compile -v "${CARD[@]}" --mos 2 m.onnx -o b.qpc
	[[ $stderr == *"now '-mos=2'"* ]] || complain 'no reason'
	cp -r "$Q/sdk" sdk
	echo '# newer' >>sdk/exec/qaic-compile
	run --separate-stderr qnn-compile -v --backend qaic --sdk sdk \
		--cache-dir cache m.onnx -o c.qpc
	[[ $stderr == *"compiler 'qaic-compile' is another"* ]] ||
		complain 'no reason'
	[ "$(grep -c 'qaic-compile$' args)" -eq 3 ]
	# the last byte of the file of weights
	w=$(ls ck/*.safetensors)
	cp "$w" w && rm "$w"
	n=$(stat -c %s w)
	printf '\1' | dd of=w bs=1 seek=$((n - 1)) conv=notrunc status=none
	cp w "$w"
	ln -f "$w" "$(basename "$w")"
	run --separate-stderr qnn-compile -v "${CARD[@]}" m.onnx -o d.qpc
	[[ $stderr == *"weights file"*"is another"* ]] || complain 'no reason'
	[ "$(grep -c 'qaic-compile$' args)" -eq 4 ]
}

@test "--cache-list, --cache-limit: what was used longest ago goes" {
	setup_card
	for n in 1 2 3; do
		qnn-compile -q "${CARD[@]}" --mos $n "$D/causal.onnx" -o m.qpc
	done
	size=$(du -sb --apparent-size cache/qpc-*/qpc/programqpc.bin | head -1 | cut -f1)
	[ "$(qnn-compile --cache-dir cache --cache-list | wc -l)" -eq 4 ]
	for n in 1 2 3; do
		d=$(dirname "$(grep -l -- "-mos=$n" cache/qpc-*/made.json)")
		touch -d "2020-01-0${n}T00:00:00Z" "$d/made.json"
		printf -v "dir$n" %s "$d"
	done
	# using one makes it the last used
	qnn-compile -q "${CARD[@]}" --mos 1 "$D/causal.onnx" -o m.qpc
	qnn-compile --cache-dir cache --cache-list >list
	[ "$(awk 'NR < 4 { print $3 }' list | xargs)" = \
		"$(basename -a "$dir1" "$dir3" "$dir2" | xargs)" ] ||
		complain "$(cat list)"
	grep -q "2020-01-03T00:00:00Z  $(basename "$dir3")  $D/causal.onnx\$" list
	# room for two and a half
	limit=$(awk 'NR < 4 { n += $1 } END { printf "%d", n / 6 * 5 }' list)
	[ "$limit" -gt "$size" ]
	qnn-compile -q "${CARD[@]}" --cache-limit "$limit" --mos 3 \
		"$D/causal.onnx" -o m.qpc
	[ -e "$dir1" ] && [ -e "$dir3" ] && [ ! -e "$dir2" ]
	qeff-inspect --verify m.qpc >/dev/null
	# what does not fit at all is handed out, and not kept
	QEFF_CACHE_LIMIT=1 qnn-compile -q "${CARD[@]}" --mos 3 "$D/causal.onnx" -o n.qpc
	cmp m.qpc n.qpc
	[ -z "$(ls cache)" ] || complain "$(ls cache)"
	refused 2 "qnn-compile: --cache-limit 'x': wanted bytes, as 50G" \
		qnn-compile -q "${CARD[@]}" --cache-limit x "$D/causal.onnx" -o m.qpc
}

@test "--cache-clear takes what is not in use and what is ours" {
	setup_card
	for n in 1 2; do
		qnn-compile -q "${CARD[@]}" --mos $n "$D/causal.onnx" -o m.qpc
	done
	mkdir -p cache/Llama-1/qpc-0123456789abcdef
	d=$(echo cache/qpc-*)
	mkdir "${d%% *}0.part" "cache/qpc-0123456789abcdef0123456789abcdef.part"
	STANDIN_DOES=hang
	qnn-compile -q "${CARD[@]}" --mos 3 "$D/causal.onnx" -o m.qpc &
	pid=$!
	for _ in $(seq 50); do
		[ ! -s args.pid ] || break
		sleep 0.1
	done
	qnn-compile --cache-dir cache --cache-clear 2>said
	grep -q '^qnn-compile: 2 of 2 results are gone' said || complain "$(cat said)"
	ls -d cache/*.part >left
	kill -TERM $pid
	wait $pid || :
	# the one being made, and what only looks like ours
	[ "$(wc -l <left)" -eq 2 ] || complain "$(cat left)"
	[ -d cache/Llama-1/qpc-0123456789abcdef ]
	[ "$(qnn-compile --cache-dir cache --cache-list | wc -l)" -eq 1 ]
	refused 2 'qnn-compile: there is no cache: give --cache-dir' \
		env -u HOME -u QEFF_HOME -u XDG_CACHE_HOME PATH="$PATH" \
		qnn-compile --cache-list
}

@test "a damaged result is compiled again" {
	setup_card
	qnn-compile -q "${CARD[@]}" "$D/causal.onnx" -o a.qpc
	echo x >>cache/qpc-*/qpc/programqpc.bin
	qnn-compile "${CARD[@]}" "$D/causal.onnx" -o b.qpc
	cmp a.qpc b.qpc
	[ "$(grep -c qaic-compile args)" -eq 2 ]
}

@test "a failing compiler is explained: last lines, exit 7, nothing left" {
	setup_card
	STANDIN_DOES=crash
	run --separate-stderr qnn-compile "${CARD[@]}" "$D/causal.onnx" -o m.qpc
	[ "$status" -eq 7 ] || complain 'status'
	[[ $stderr == *'| Error: node MatMul_3: unsupported shape'* ]]
	[[ $stderr == *'qaic-compile: exit status 3; log: '* ]]
	[ ! -e m.qpc ]
	[ -z "$(ls -d cache/qpc-*/ 2>/dev/null)" ] || complain 'a folder is left'
	grep -q unsupported cache/*.log
	STANDIN_DOES=old
	run --separate-stderr qnn-compile "${CARD[@]}" "$D/causal.onnx" -o m.qpc
	[[ $stderr == *'give --specialization-format flat'* ]]
}

@test "half a result, or none, is not taken" {
	setup_card
	STANDIN_DOES=half
	run --separate-stderr qnn-compile -q "${CARD[@]}" "$D/causal.onnx" -o m.qpc
	[ "$status" -eq 7 ] || complain 'status'
	STANDIN_DOES=nothing
	run --separate-stderr qnn-compile -q "${CARD[@]}" "$D/causal.onnx" -o m.qpc
	[ "$status" -eq 7 ] || complain 'status'
	[ ! -e m.qpc ] && [ -z "$(ls -d cache/qpc-*/ 2>/dev/null)" ]
}

@test "a noisy compiler is heard whole" {
	setup_card
	STANDIN_DOES=noisy
	accepted qnn-compile -q "${CARD[@]}" --log log "$D/causal.onnx" -o m.qpc
	[ "$(grep -c '^step' log)" -eq 5000 ]
}

@test "--timeout and ^C end the compiler and all it started" {
	setup_card
	STANDIN_DOES=hang
	run --separate-stderr qnn-compile -q "${CARD[@]}" --timeout 1 \
		"$D/causal.onnx" -o m.qpc
	[ "$status" -eq 7 ] || complain 'status'
	[[ $stderr == *'not done after 1 seconds'* ]]
	! alive "$(cat args.pid)" || complain 'it runs on'
	rm args.pid
	qnn-compile -q "${CARD[@]}" "$D/causal.onnx" -o m.qpc &
	pid=$!
	for _ in $(seq 50); do
		[ ! -s args.pid ] || break
		sleep 0.1
	done
	kill -TERM $pid
	wait $pid && complain 'it is said to be done' || s=$?
	[ "$s" -eq 143 ] || complain "status $s"
	! alive "$(cat args.pid)" || complain 'it runs on'
	[ ! -e m.qpc ] && [ -z "$(ls -d cache/qpc-*/ 2>/dev/null)" ]
}

@test "killed at any moment, there is no result that looks whole" {
	setup_card
	STANDIN_DOES=slow
	for ms in 0.02 0.1 0.3 0.7 1.0 1.1; do
		rm -rf cache
		qnn-compile -q "${CARD[@]}" "$D/causal.onnx" -o m.qpc &
		pid=$!
		sleep $ms
		kill -KILL $pid 2>/dev/null || :
		wait $pid 2>/dev/null || :
		for d in cache/qpc-*/; do
			case $d in
			*.part/ | 'cache/qpc-*/') continue ;;
			esac
			cmp "$d/qpc/programqpc.bin" "$D/small.bin"
			[ -s "$d/made.json" ]
		done
		[ ! -e m.qpc ] || qeff-inspect --verify m.qpc >/dev/null
	done
	STANDIN_DOES=
	accepted qnn-compile -q "${CARD[@]}" "$D/causal.onnx" -o m.qpc
}

@test "what is not there is named, with where it was looked for" {
	setup_card
	mkdir empty
	refused 6 'qnn-compile: qaic-compile: not found: looked for empty/exec/qaic-compile, empty/exec/qaic-exec and in PATH (--sdk DIR)' \
		qnn-compile -q --backend qaic --sdk empty --no-cache "$D/causal.onnx" -o m.qpc
	unset QNN_SDK_ROOT
	refused 6 'qnn-compile: QNN SDK: not found: QNN_SDK_ROOT *' \
		qnn-compile -q --backend qnn --no-cache "$D/causal.onnx" -o m.qpc
}

@test "the card that is here decides the hardware version" {
	setup_card
	STANDIN_CARD='QC_IMAGE AIC200.1'
	qnn-compile -q "${CARD[@]}" --dry-run "$D/causal.onnx" >said
	grep -q -- '-aic-hw-version=ai200 ' said
	ln -s "$Q/sdk/exec/qaic-compile" qaic-exec
	qnn-compile -q "${CARD[@]}" --compiler ./qaic-exec --dry-run "$D/causal.onnx" >said
	grep -q -- '-aic-hw-version=2.0 .* -compile-only -retained-state' said
}

@test "QNN: two programs, one after the other" {
	setup_card
	qnn-compile -q --backend qnn --sdk "$Q/qnn" --cache-dir cache \
		"$D/causal.onnx" -o m.qpc
	grep -c '^/.*bin/x86_64-linux-clang/q' args | grep -qx 2
	tar xOf m.qpc programqpc.bin | cmp - "$D/small.bin"
}

@test "options that a model or backend has no place for are refused" {
	refused 2 'qnn-compile: --mos is for --backend qaic and qnn, this is host' \
		qnn-compile --mos 2 "$D/encoder.onnx"
	refused 3 "qnn-compile: --full-batch-size: the model has no input 'batch_index'*" \
		qnn-compile --backend qaic --dry-run --no-cache --full-batch-size 4 "$D/causal.onnx"
	refused 2 "*give --full-batch-size" \
		qnn-compile --backend qaic --dry-run --no-cache "$D/cb.onnx"
	refused 2 "*give --num-speculative-tokens" \
		qnn-compile --backend qaic --dry-run --no-cache "$D/tlm.onnx"
	refused 2 "*is less than the 41 tokens*" \
		qnn-compile --backend qaic --dry-run --no-cache --num-speculative-tokens 40 "$D/tlm.onnx"
	refused 3 "*can be 0 only" \
		qnn-compile --backend qaic --dry-run --no-cache --full-batch-size 4 --num-speculative-tokens 3 "$D/sampler.onnx"
	refused 2 "*no size for 'sliding_window'*" \
		qnn-compile --backend qaic --dry-run --no-cache "$D/sliding.onnx"
}

@test "a model from a pipe is given as a file" {
	setup_card
	artifacts .
	qnn-compile -q "${CARD[@]}" --ctx-len 64 <o.onnx >m.qpc
	grep -q -- '^-m=.*/model.onnx$' args
}

@test "--fp32-nodes, --specializations, --custom-io" {
	qnn-compile -q --backend qaic --dry-run --cache-dir dry \
		--fp32-nodes 'log*' "$D/causal.onnx" >said
	grep -q -- '-node-precision-info=' said
	printf 'FP32NodeInstanceNames:\n- logits\n' |
		cmp - dry/qpc-*/node_precision_info.yaml
	echo '{"specializations":[{"batch_size":"1","seq_len":"7","ctx_len":"9"}]}' >s.json
	echo ' - IOName: x' >io.yaml
	qnn-compile -q --backend qaic --dry-run --cache-dir dry2 \
		--specializations s.json --custom-io io.yaml "$D/causal.onnx" >said
	grep -q -- '-custom-IO-list-file=io.yaml' said
	[ "$(jq -r '.specializations[0].name' dry2/qpc-*/specializations.json)" = Prefill ]
}

@test "dynamic rope stays float32 on the card, a table of sines needs nothing" {
	make-checkpoint plain
	cp -r plain ck
	jq '.rope_scaling = {"type":"dynamic","factor":4.0}' \
		plain/config.json >ck/config.json
	for n in plain ck; do
		hf-load -q $n | qeff-transform -q | onnx-export -q -o $n.onnx
		qnn-compile -q --backend qaic --dry-run --cache-dir d$n \
			$n.onnx >$n.said
	done
	! grep -q node-precision plain.said || complain 'plain: a file'
	grep -q -- '-node-precision-info=' ck.said
	qeff-inspect --graph ck.onnx >graph
	# all powers, sines and cosines, and what they are made of
	for op in Pow Sin Cos; do
		grep -oE "^ *%[^ ,]+ = $op" graph | tr -d ' %=' | sed "s/$op\$//" >names
		[ -s names ]
		while read -r n; do
			grep -qx -- "- $n" dck/qpc-*/node_precision_info.yaml ||
				complain "$n of $op"
		done <names
	done
	grep -q '^- .*Cast' dck/qpc-*/node_precision_info.yaml
	! grep -q 'layers.0/MatMul' dck/qpc-*/node_precision_info.yaml ||
		complain 'too much'
	run --separate-stderr qnn-compile --backend qnn --sdk x --dry-run \
		--cache-dir d ck.onnx
	[[ $stderr == *"rope in float16"* ]] || complain 'no warning'
	echo mine >npi
	qnn-compile -q --backend qaic --dry-run --cache-dir d \
		--node-precision-info npi ck.onnx >said
	grep -q -- '-node-precision-info=npi' said
}

# A package whose card is the stand-in: what the host would run is in its
# programqpc.bin, state left out.
card_package() {
	qnn-compile -q "$1" --ctx-len 64 --prompt-len 8 -o host.qpc
	make-programqpc host.bin host.qpc
	STANDIN_QPC=$T/host.bin
	qnn-compile -q "${CARD[@]}" "$1" --ctx-len 64 --prompt-len 8 -o card.qpc
	QAIC_LIB=${TOOLS:-$ROOT/build/tools}/libQAic.so
	STANDIN_HOST=${TOOLS:-$ROOT/build/tools}/run-host
	STANDIN_SEEN=$T/seen
	export QAIC_LIB STANDIN_HOST STANDIN_SEEN
}

@test "a card generates the tokens of the processor" {
	setup_card
	artifacts .
	card_package o.onnx
	for p in 1,2,3 5 9,8,7,6,5,4,3,2,1,2,3,4,5; do
		accepted qpc-run -q host.qpc --ids $p -n 12
		want=$output
		accepted qpc-run -q card.qpc --ids $p -n 12
		[ "$output" = "$want" ] || complain "wanted $want"
	done
	# both programs were chosen, by dimensions alone
	grep -q 'program 0' seen && grep -q 'program 1' seen
	accepted qpc-run -q --backend qaic --device-group '[0]' card.qpc --ids 4 -n 3
	refused 2 "qpc-run: *compiled for qaic" \
		qpc-run --backend host card.qpc --ids 4 -n 3
	refused 2 "*--device-group: 2 devices, the package is for 1" \
		qpc-run --device-group 0,1 card.qpc --ids 4 -n 3
}

@test "retained state has empty buffers" {
	setup_card
	artifacts .
	card_package o.onnx
	make-programqpc -s host.bin host.qpc
	qnn-compile -q --no-cache "${CARD[@]:0:4}" o.onnx --ctx-len 64 \
		--prompt-len 8 -o card.qpc
	qpc-run -q host.qpc --ids 1,2,3 -n 5 >want
	qpc-run -q card.qpc --ids 1,2,3 -n 5 | cmp - want
	grep -q 'stays past_key.0 .*stays past_key.0_RetainedState' seen
}

@test "without the library a card's package says what is missing" {
	setup_card
	artifacts .
	card_package o.onnx
	export QAIC_LIB=none/libQAic.so
	refused 6 'qpc-run: *libQAic.so: not found *none/libQAic.so*' \
		qpc-run card.qpc --ids 1
	unset QAIC_LIB
	refused 6 'qpc-run: *libQAic.so: not found *libQAic.so*/opt/qti-aic/dev/lib/*' \
		qpc-run card.qpc --ids 1
}
