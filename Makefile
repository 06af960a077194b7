# make            build the programs and libqeff.a under build/
# make demo       install what is missing, build, run the pipeline on the demo model
# make check      unit tests, op cases, command tests
# make lint       layers, banned names, formatting, static checks, man pages
# make asan       check under AddressSanitizer and UBSan
# make neon       the kernels' unit tests on an emulated ARM processor
# make fuzz       build the fuzz targets (clang) and run each for FUZZ_SECONDS
# make bench      speed and memory, printed as tables
# make quality    what each format costs the demo model
# make bench-peers  beside other programs, where QEFF_SHARED has them
# make install    PREFIX, DESTDIR; and uninstall
# make fmt dist clean

ifeq ($(origin CC),default)
CC      = gcc
endif
CFLAGS  = -O2 -g
B       = build
PREFIX  = /usr/local
WARN    = -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wundef -Wwrite-strings \
          -Wstrict-prototypes -Wmissing-prototypes -Wdouble-promotion \
          -Wno-missing-field-initializers
LIBS    = libprotobuf-c json-c libarchive libxxhash libpcre2-8 libutf8proc
CPPFLAGS := -Iinclude $(addprefix -I,$(wildcard lib/*/ lib/*/*/)) -I$(B)/gen \
          $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
LDLIBS  := $(shell pkg-config --libs $(LIBS) 2>/dev/null) -lm -pthread
ALL     = -std=c11 -D_POSIX_C_SOURCE=200809L -pthread -ffp-contract=off \
          -ffile-prefix-map=$(CURDIR)=. $(WARN) $(CPPFLAGS) $(CFLAGS)

CMDS  = $(patsubst cmd/%.c,%,$(wildcard cmd/*-*.c))
LIB   = $(patsubst %.c,$(B)/%.o,$(wildcard lib/*/*.c lib/*/*/*.c))
TOOLS = $(patsubst tests/tools/%.c,$(B)/tools/%,$(wildcard tests/tools/*.c))
UNIT  = $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
GEN   = $(B)/gen/onnx.pb-c.h $(B)/gen/networkdesc.pb-c.h
ONNX_PROTO ?= /usr/include/onnx/onnx.proto

all: $(CMDS:%=$(B)/bin/%)

$(B)/gen/onnx.pb-c.c $(B)/gen/onnx.pb-c.h &: $(ONNX_PROTO)
	@mkdir -p $(B)/gen
	protoc-c --proto_path=$(dir $<) --c_out=$(B)/gen $<

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: lib/format/%.proto
	@mkdir -p $(B)/gen
	protoc-c --proto_path=$(dir $<) --c_out=$(B)/gen $<

$(B)/gen/%.pb-c.o: $(B)/gen/%.pb-c.c
	$(CC) -std=c11 -I$(B)/gen $(CPPFLAGS) $(CFLAGS) -w -c -o $@ $<

$(B)/libqeff.a: $(LIB) $(GEN:.h=.o)
	@rm -f $@
	$(AR) rcsD $@ $^

$(B)/bin/%: $(B)/cmd/%.o $(B)/cmd/cli.o $(B)/libqeff.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LDLIBS)

$(B)/unit/%: tests/unit/%.c tests/unit/check.h $(B)/libqeff.a
	@mkdir -p $(@D)
	$(CC) $(ALL) -Itests/unit $(LDFLAGS) -Wl,--as-needed -MMD -MP -o $@ $< $(B)/libqeff.a $(LDLIBS)

# The kernels of another processor by its emulator; they need libc alone.
KERNELS = $(filter $(B)/lib/base/% $(B)/lib/ir/% $(B)/lib/host/kernel/%,$(LIB))
$(B)/libkernel.a: $(KERNELS)
	@rm -f $@
	$(AR) rcsD $@ $^

$(B)/emulated/%: tests/unit/test_%.c tests/unit/check.h $(B)/libkernel.a
	@mkdir -p $(@D)
	$(CC) $(ALL) -Itests/unit -static -o $@ $< $(B)/libkernel.a -lm

EMULATED = $(addprefix $(B)/emulated/,kernel kernel_isa quant slide)
emulate: $(EMULATED)
	@for t in $(EMULATED); do $(EMULATOR) $$t || exit 1; done

neon:
	$(MAKE) B=build/neon CC=aarch64-linux-gnu-gcc EMULATOR=qemu-aarch64 \
		emulate

# Speed, printed as tables.
BENCH = $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))
$(B)/bench/%: $(B)/tests/bench/%.o $(B)/libqeff.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LDLIBS)

bench: all tools $(BENCH)
	@tests/bench/tokenizers $(B)
	@tests/bench/pipeline $(B)
	@tests/bench/start $(B)
	@tests/bench/crowd $(B)
	@tests/bench/nets $(B)
	@tests/bench/encoders $(B)
	@$(B)/bench/kernel

# What each format costs the demo model in perplexity and answers.
quality: all
	@tests/bench/quality $(B)

# Our programs beside llama.cpp and onnxruntime: hours, gigabytes, a network.
QEFF_SHARED ?= ../shared
PEERS_ARGS = --models 110M --pairs 5
bench-peers: all
	@if [ -x $(QEFF_SHARED)/bench/compare.sh ]; then \
	    $(QEFF_SHARED)/bench/compare.sh --bin $(B)/bin $(PEERS_ARGS); \
	else echo 'bench-peers: no $(QEFF_SHARED)/bench/compare.sh here'; fi

# The ONNX we write, and graphs by chance, in onnxruntime from npm; needs node
# and a network.
ORT_MODELS = *
check-ort: all tools
	@set -f; tests/ort/run $(B) $(ORT_MODELS)
	@tests/ort/forms $(B)
	@tests/ort/graphs $(B)
	@tests/ort/passes $(B)
	@tests/ort/sampler $(B)
	@tests/ort/lora $(B)

# Programs that only tests use.
$(B)/tools/%: $(B)/tests/tools/%.o $(B)/cmd/cli.o $(B)/libqeff.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LDLIBS)

$(B)/tools/continue: examples/continue.c $(B)/libqeff.a
	@mkdir -p $(@D)
	$(CC) $(ALL) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LDLIBS)

# What tests run instead of a card; sanitizers stay out of a library that is
# loaded.
$(B)/tools/libQAic.so: tests/qaic/lib/libqaic.c
	@mkdir -p $(@D)
	$(CC) -std=c11 $(WARN) -O1 -fPIC -shared -o $@ $<

$(B)/cmd/cli.o: CPPFLAGS += -DQEFF_SHARE='"$(PREFIX)/share/qeff"'
$(B)/tests/tools/%.o: CPPFLAGS += -Icmd

# One file per instruction set; only these may use it.
ifneq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
$(B)/lib/host/kernel/%_avx2.o:   ISA = -O3 -mavx2 -mfma -mf16c
$(B)/lib/host/kernel/%_avx512.o: ISA = -O3 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx2 -mfma -mf16c
else
$(B)/lib/host/kernel/%_neon.o:   ISA = -O3
endif
# No fuzz target reaches these, and instrumented they take minutes to build.
$(B)/lib/host/kernel/simd_%.o: NOFUZZ = $(if $(findstring fuzzer,$(CFLAGS)),-O1 -fno-sanitize=all,$(if $(findstring sanitize,$(CFLAGS)),-O1))

$(B)/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(CC) $(ALL) $(ISA) $(NOFUZZ) -MMD -MP -c -o $@ $<

unit: $(UNIT)
	@for t in $(UNIT); do $$t || exit 1; done

# Commands, by bats: BATS='tests/cli/onnx-opt.bats' for some of them.
BATS  = $(wildcard tests/cli/*.bats)
tools: $(TOOLS) $(B)/tools/continue $(B)/tools/libQAic.so

cli: all tools
	@BIN=$(CURDIR)/$(B)/bin TOOLS=$(CURDIR)/$(B)/tools \
	    bats --jobs 2 $(BATS)

# The fuzz targets without a fuzzer: each runs over its corpus.
REPLAY = $(patsubst tests/fuzz/fuzz_%.c,$(B)/replay/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZALL = $(patsubst %.c,$(B)/%.o,$(filter-out %/replay.c,$(filter-out tests/fuzz/fuzz_%.c,$(wildcard tests/fuzz/*.c))))
$(B)/replay/%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(FUZZALL) $(B)/libqeff.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LDLIBS)

fuzz-replay: $(REPLAY)
	@for t in $(REPLAY); do $$t tests/fuzz/corpus/$${t##*/}/* || exit 1; done

check: all unit cli fuzz-replay

asan:
	$(MAKE) check B=build/asan CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'

# New inputs that reach new code stay in build/fuzz/corpus.
FUZZ_SECONDS = 60
FUZZ    = $(REPLAY:$(B)/replay/%=$(B)/fuzz/%)
$(B)/fuzz/%: $(B)/tests/fuzz/fuzz_%.o $(FUZZALL) $(B)/libqeff.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LDLIBS)

fuzzers: $(FUZZ)
	@for t in $(FUZZ); do n=$${t##*/}; mkdir -p $(B)/corpus/$$n; \
	    echo "== $$n"; $$t -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
	    -rss_limit_mb=2048 -artifact_prefix=$(B)/$$n- -verbosity=0 \
	    -print_final_stats=1 $(B)/corpus/$$n \
	    $$(ls -d tests/fuzz/corpus/$$n 2>/dev/null) || exit 1; done

fuzz:
	$(MAKE) fuzzers B=build/fuzz CC=clang-14 CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined'

LINTS = layers banned format spdx words shell static arch-keys man-vs-help
lint: all
	@bad=0; for l in $(LINTS); do echo "== $$l"; \
	    B=$(B) tests/lint/$$l || bad=1; done; exit $$bad

fmt:
	find lib cmd include tests examples bench -name '*.[ch]' -print0 \
	    2>/dev/null | xargs -0 clang-format-14 -i

demo:
	.ci/packages build
	$(MAKE) all
	examples/demo $(B)/bin

VERSION := $(shell sed -n 's/.*QEFF_VERSION "\(.*\)"/\1/p' include/qeff.h)
DEST  = $(DESTDIR)$(PREFIX)
SHARE = $(shell find share -type f 2>/dev/null)
MAN   = $(wildcard man/*.[157])

$(B)/qeff.pc: include/qeff.h Makefile
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'Name: qeff' \
	    'Description: HuggingFace checkpoints to ONNX to QPC packages' \
	    'Version: $(VERSION)' 'Requires.private: $(LIBS)' \
	    'Cflags: -I$${prefix}/include' 'Libs: -L$${prefix}/lib -lqeff' \
	    'Libs.private: -lm -pthread' >$@

install: all $(B)/libqeff.a $(B)/qeff.pc
	install -d $(DEST)/bin $(DEST)/include $(DEST)/lib/pkgconfig \
	    $(foreach s,1 5 7,$(DEST)/share/man/man$(s))
	install $(CMDS:%=$(B)/bin/%) $(DEST)/bin
	install -m 644 include/qeff.h $(DEST)/include
	install -m 644 $(B)/libqeff.a $(DEST)/lib
	install -m 644 $(B)/qeff.pc $(DEST)/lib/pkgconfig
	for s in 1 5 7; do \
	    install -m 644 man/*.$$s $(DEST)/share/man/man$$s || exit 1; done
	for f in $(SHARE:share/%=%); do \
	    install -D -m 644 share/$$f $(DEST)/share/qeff/$$f || exit 1; done

uninstall:
	rm -f $(CMDS:%=$(DEST)/bin/%) $(DEST)/include/qeff.h \
	    $(DEST)/lib/libqeff.a $(DEST)/lib/pkgconfig/qeff.pc \
	    $(foreach m,$(MAN),$(DEST)/share/man/man$(subst .,,$(suffix $(m)))/$(notdir $(m)))
	rm -rf $(DEST)/share/qeff

dist:
	@mkdir -p $(B)
	git archive --prefix=qeff-$(VERSION)/ HEAD | xz >$(B)/qeff-$(VERSION).tar.xz

clean:
	rm -rf $(B)

-include $(LIB:.o=.d) $(wildcard $(B)/cmd/*.d $(B)/unit/*.d $(B)/tests/*/*.d)
.PHONY: all emulate neon bench bench-peers quality check-ort tools unit cli check asan fuzz fuzzers fuzz-replay lint fmt demo install \
        uninstall dist clean
.SECONDARY:
