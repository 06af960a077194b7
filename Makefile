# make            build the programs and libqeff.a under build/
# make demo       install what is missing, build, run the pipeline on the demo model
# make check      unit tests, op cases, command tests
# make lint       layers, banned names, formatting, static checks, man pages
# make asan       check under AddressSanitizer and UBSan
# make fuzz       build the fuzz targets (clang) and run each for FUZZ_SECONDS
# make bench      speed and memory, printed as tables
# make install    PREFIX, DESTDIR
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
CPPFLAGS := -Iinclude $(addprefix -I,$(wildcard lib/*/)) -I$(B)/gen \
          $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
LDLIBS  := $(shell pkg-config --libs $(LIBS) 2>/dev/null) -lm -pthread
ALL     = -std=c11 -D_POSIX_C_SOURCE=200809L -pthread -ffp-contract=off \
          -ffile-prefix-map=$(CURDIR)=. $(WARN) $(CPPFLAGS) $(CFLAGS)

CMDS  = $(patsubst cmd/%.c,%,$(wildcard cmd/*-*.c))
LIB   = $(patsubst %.c,$(B)/%.o,$(wildcard lib/*/*.c lib/*/*/*.c))
TOOLS = $(patsubst tests/tools/%.c,$(B)/tools/%,$(wildcard tests/tools/*.c))
UNIT  = $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
GEN   = $(B)/gen/onnx.pb-c.h
ONNX_PROTO ?= /usr/include/onnx/onnx.proto

all: $(CMDS:%=$(B)/bin/%)

$(B)/gen/onnx.pb-c.c $(B)/gen/onnx.pb-c.h &: $(ONNX_PROTO)
	@mkdir -p $(B)/gen
	protoc-c --proto_path=$(dir $<) --c_out=$(B)/gen $<

$(B)/gen/onnx.pb-c.o: $(B)/gen/onnx.pb-c.c
	$(CC) -std=c11 -I$(B)/gen $(CPPFLAGS) $(CFLAGS) -w -c -o $@ $<

$(B)/libqeff.a: $(LIB) $(B)/gen/onnx.pb-c.o
	@rm -f $@
	$(AR) rcsD $@ $^

$(B)/bin/%: $(B)/cmd/%.o $(B)/cmd/cli.o $(B)/libqeff.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LDLIBS)

$(B)/unit/%: tests/unit/%.c tests/unit/check.h $(B)/libqeff.a
	@mkdir -p $(@D)
	$(CC) $(ALL) -Itests/unit $(LDFLAGS) -Wl,--as-needed -MMD -MP -o $@ $< $(B)/libqeff.a $(LDLIBS)

# Programs that only tests use.
$(B)/tools/%: $(B)/tests/tools/%.o $(B)/cmd/cli.o $(B)/libqeff.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LDLIBS)

$(B)/cmd/cli.o: CPPFLAGS += -DQEFF_SHARE='"$(PREFIX)/share/qeff"'
$(B)/tests/tools/%.o: CPPFLAGS += -Icmd

# One file per instruction set; only these may use it.
$(B)/lib/host/kernel/%_avx2.o:   CFLAGS += -O3 -mavx2 -mfma -mf16c
$(B)/lib/host/kernel/%_avx512.o: CFLAGS += -O3 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512bf16 -mavx2 -mfma -mf16c

$(B)/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(CC) $(ALL) -MMD -MP -c -o $@ $<

unit: $(UNIT)
	@for t in $(UNIT); do $$t || exit 1; done

# Commands, by bats: BATS='tests/cli/onnx-opt.bats' for some of them.
BATS  = $(wildcard tests/cli/*.bats)
cli: all $(TOOLS)
	@BIN=$(CURDIR)/$(B)/bin TOOLS=$(CURDIR)/$(B)/tools \
	    bats --jobs 2 $(BATS)

check: all unit cli

asan:
	$(MAKE) check B=build/asan CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'

clean:
	rm -rf $(B)

-include $(LIB:.o=.d) $(wildcard $(B)/cmd/*.d $(B)/unit/*.d $(B)/tests/tools/*.d)
.PHONY: all unit cli check asan clean
.SECONDARY:
