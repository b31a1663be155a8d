# SPDX-License-Identifier: Apache-2.0
# hosttrail: one Makefile, everything it makes lies under $(O). `make help` tells the targets.

VERSION := 0.1.0
SAN ?= 0
O ?= build$(if $(filter 1,$(SAN)),/san)$(if $(filter thread,$(SAN)),/tsan)
# what no sanitizer changes (generated, for the kernel, the lake's engine, workloads) is made once, for all builds
G := $(if $(filter 1 thread,$(SAN)),$(patsubst %/tsan,%,$(patsubst %/san,%,$(O))),$(O))
PREFIX ?= /usr/local
DESTDIR ?=
CC = gcc
CLANG ?= clang
BTF ?= /sys/kernel/btf/vmlinux
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool) bpftool)
MACHINE := $(shell uname -m)
ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(MACHINE)))
PKGS := libbpf libelf json-c expat libprotobuf-c libzstd libcrypto libsodium libssl libnghttp2 libmicrohttpd yaml-0.1 libseccomp libcurl audit zlib sqlite3

CFLAGS ?= $(if $(filter 1 thread,$(SAN)),-O1 -g1,-O2 -g)
HT_CFLAGS := -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter \
	-fno-strict-aliasing -fstack-protector-strong -D_FORTIFY_SOURCE=2 -D_GNU_SOURCE -DHOSTTRAIL_VERSION='"$(VERSION)"' \
	-I. -I$(G)/gen -I$(G) -isystem $(G)/duckdb
HT_LDFLAGS := -Wl,-z,relro,-z,now -pie
ifeq ($(SAN),1)
HT_CFLAGS := $(filter-out -D_FORTIFY_SOURCE=2,$(HT_CFLAGS)) -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
HT_LDFLAGS += -fsanitize=address,undefined $(if $(shell command -v ld.gold),-fuse-ld=gold)	# a third of the time, 140 times
endif
ifeq ($(SAN),thread)
HT_CFLAGS := $(filter-out -D_FORTIFY_SOURCE=2,$(HT_CFLAGS)) -fsanitize=thread
HT_LDFLAGS += -fsanitize=thread
endif
# a test runs for less time than it is compiled
TEST_CFLAGS := $(if $(filter 1,$(SAN)),-O0,-O1)
HT_CFLAGS += -fPIE $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lZydis -lpthread -ldl -lm

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s%s\n'
endif

.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

# ---- sources: a file in a folder belongs to that folder's archive; main.c is its program
# what is particular to an architecture stands in agent/arch_$(MACHINE).c and bpf/arch_$(ARCH).bpf.h
src = $(filter-out %/main.c $(filter-out %_$(MACHINE).c,$(wildcard agent/arch_*.c)),$(wildcard $(1)/*.c) $(wildcard $(1)/*/*.c))
obj = $(patsubst %.c,$(O)/%.o,$(1))
folders := lib proto agent forwarder store tools
$(foreach f,$(folders),$(eval $f-o := $$(call obj,$$(call src,$f))))
proto-o += $(O)/gen/hosttrail.pb-c.o
A := $(O)/lib/libht.a $(O)/proto/libproto.a
bins := hosttraild hosttrail-forward hosttrail-store hosttrail
unit := $(patsubst tests/unit/%.c,$(O)/tests/unit/%,$(wildcard tests/unit/test_*.c))
fuzz := $(patsubst tests/fuzz/%.c,$(O)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
bench := $(patsubst tests/bench/%.c,$(O)/tests/bench/%,$(wildcard tests/bench/*.c))
live := $(patsubst tests/live/%.c,$(O)/tests/live/%,$(wildcard tests/live/*.c))
helpers := $(patsubst tests/helpers/%.c,$(O)/tests/helpers/%,$(wildcard tests/helpers/*.c))
workloads := $(patsubst tests/workloads/%.c,$(O)/tests/workloads/%,$(wildcard tests/workloads/*.c))

## all: build the four programs
all: $(bins:%=$(O)/bin/%) $(O)/duckdb/libduckdb.so

$(O)/lib/libht.a: $(lib-o)
$(foreach f,$(filter-out lib,$(folders)),$(eval $(O)/$f/lib$f.a: $$($f-o)))
%.a:
	$(say) AR $@
	$(Q)mkdir -p $(@D); rm -f $@; $(AR) rcs $@ $^

define link
	$(say) LINK $@
	$(Q)mkdir -p $(@D); $(CC) $(HT_LDFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)
endef
$(O)/bin/hosttraild: $(O)/agent/main.o $(O)/agent/libagent.a $(A); $(link)
$(O)/bin/hosttrail-forward: $(O)/forwarder/main.o $(O)/forwarder/libforwarder.a $(A); $(link)
$(O)/bin/hosttrail-store: $(O)/store/main.o $(O)/store/libstore.a $(A); $(link)
$(O)/bin/hosttrail: $(O)/tools/main.o $(O)/tools/libtools.a $(O)/agent/libagent.a $(A); $(link)

$(O)/%.o: %.c
	$(say) CC $<
	$(Q)mkdir -p $(@D); $(CC) $(CFLAGS) $(HT_CFLAGS) -MMD -MP -c -o $@ $<
$(O)/gen/%.o: $(G)/gen/%.c
	$(say) CC $<
	$(Q)mkdir -p $(@D); $(CC) $(CFLAGS) $(HT_CFLAGS) -w -MMD -MP -c -o $@ $<

# ---- the lake's engine: its header for the store, its library beside the programs, loaded when the store starts
$(G)/duckdb/libduckdb.so $(G)/duckdb/duckdb.h &: tools/duckdb.sh
	$(say) DUCKDB $(G)/duckdb
	$(Q)tools/duckdb.sh $(G)/duckdb && touch $(G)/duckdb/duckdb.h
$(store-o) $(O)/store/main.o $(tools-o) $(unit:%=%.o) $(fuzz:%=%.o) $(bench:%=%.o) $(helpers:%=%.o): | $(G)/duckdb/duckdb.h

# ---- generated: protobuf, kernel types, BPF skeleton
$(G)/gen/hosttrail.pb-c.c $(G)/gen/hosttrail.pb-c.h &: proto/hosttrail.proto
	$(say) PROTOC $<
	$(Q)rm -rf $(G)/gen/new; mkdir -p $(G)/gen/new; protoc-c --proto_path=proto --c_out=$(G)/gen/new $< && mv $(G)/gen/new/* $(G)/gen
$(G)/gen/vmlinux.h:
	$(say) BTF $@
	$(Q)mkdir -p $(@D); $(BPFTOOL) btf dump file $(BTF) format c >$@.tmp && mv $@.tmp $@
bpf-o := $(patsubst %.bpf.c,$(G)/%.bpf.o,$(wildcard bpf/*.bpf.c))
BPF_CC = $(CLANG) -g -O2 -mcpu=v3 -target bpf -D__TARGET_ARCH_$(ARCH) -DHT_ARCH_H='"bpf/arch_$(ARCH).bpf.h"' -Wall -Wno-unused-function -I. -I$(G)/gen
$(G)/bpf/%.bpf.o: bpf/%.bpf.c $(G)/gen/vmlinux.h
	$(say) BPF $<
	$(Q)mkdir -p $(@D); $(BPF_CC) -MMD -MP -c -o $@ $<
# whether they can be compiled with the kernel types of BTF=FILE
bpf-syntax: $(G)/gen/vmlinux.h
	$(Q)for f in bpf/*.bpf.c; do $(BPF_CC) -fsyntax-only $$f || exit 1; done
$(G)/bpf/hosttrail.bpf.linked: $(bpf-o)
	$(say) BPFLINK $@
	$(Q)$(BPFTOOL) gen object $@.tmp $^ && mv $@.tmp $@
$(G)/gen/hosttrail.skel.h: $(G)/bpf/hosttrail.bpf.linked
	$(say) SKEL $@
	$(Q)mkdir -p $(@D); $(BPFTOOL) gen skeleton $< name hosttrail_bpf >$@.tmp && mv $@.tmp $@
$(agent-o) $(O)/agent/main.o $(unit:%=%.o) $(bench:%=%.o) $(live:%=%.o): | $(G)/gen/hosttrail.skel.h
$(proto-o) $(agent-o) $(forwarder-o) $(store-o) $(tools-o) $(unit:%=%.o) $(fuzz:%=%.o) $(bench:%=%.o) $(live:%=%.o) $(helpers:%=%.o): | $(G)/gen/hosttrail.pb-c.h

# ---- tests
ALL_A := $(O)/tools/libtools.a $(O)/agent/libagent.a $(O)/forwarder/libforwarder.a $(O)/store/libstore.a $(A)
$(unit) $(bench) $(live): %: %.o $(ALL_A); $(link)
# awskit describes HTTP calls as the agent does
$(O)/tests/helpers/awskit: $(O)/agent/libagent.a
$(helpers): %: %.o $(ALL_A); $(link)
# how large they are
$(G)/gen/sizes.h: tests/sizes.py
	$(Q)mkdir -p $(@D); /usr/bin/python3 tests/sizes.py --rows >$@.tmp && mv $@.tmp $@
$(unit:%=%.o): | $(G)/gen/sizes.h
$(unit:%=%.o) $(fuzz:%=%.o): HT_CFLAGS += $(TEST_CFLAGS)
# HTTP/1's oracle, which Debian ships as source
$(O)/tests/unit/test_http1.o: HT_CFLAGS += -isystem /usr/share/include/llhttp
$(O)/tests/unit/test_http1: $(patsubst %,$(G)/tests/unit/llhttp_%.o,api http llhttp)
$(G)/tests/unit/llhttp_%.o: /usr/share/llhttp/%.c
	$(say) CC $<
	$(Q)mkdir -p $(@D); $(CC) -O1 -w -fPIE -I/usr/share/include/llhttp -c -o $@ $<
$(fuzz): %: %.o $(O)/tests/fuzz/replay.o $(ALL_A); $(link)
# workloads: small programs that the live tests run; static where they must run in a bare guest; tlsloop has the library that is probed
workload-statictls := -s -lssl -lcrypto -Wl,--no-warnings
workload-tlsloop := -lssl -lcrypto
$(G)/tests/workloads/%: tests/workloads/%.c $(wildcard tests/workloads/*.h)
	$(say) CC $@
	$(Q)mkdir -p $(@D); $(CC) -O1 -g -Wall -D_GNU_SOURCE -pthread $(if $(findstring 32,$*),-m32) $(if $(findstring nolibc,$*),-nostdlib) $(if $(filter tlsloop,$*),,-static) $(LDFLAGS) -o $@ $< $(workload-$*)
ifneq ($(G),$(O))
shared := $(workloads) $(O)/duckdb/libduckdb.so
$(shared): $(O)/%: $(G)/%
	$(Q)mkdir -p $(@D); ln -f $< $@
endif
tests-build: $(unit) $(fuzz) $(live) $(bench) $(workloads) $(helpers)

## check: install what is missing, build, run every test at its everyday size
## check-long: the same tests at full size; docs/long-runs.md gets the results, and says what need not run again
check-long: export HT_DEPS = long
check: export HT_BEGAN := $(shell date +%s)
check check-long: deps
	$(Q)$(MAKE) -j$$(nproc) --no-print-directory all tests-build
	$(Q)/usr/bin/python3 tests/run.py --build $(O) $(if $(filter check-long,$@),--long)
## check-kernels: the agent's base tests inside Debian's 6.1, 6.12 and 6.12 RT kernels under qemu
check-kernels: deps all tests-build
	$(Q)/usr/bin/python3 tests/run.py --build $(O) --only kernels
## check-fresh: make run and make check in a debootstrap chroot
check-fresh:
	$(Q)tests/fresh.sh
## bench: print the figures, ours and those of other recorders
bench: bench-deps all tests-build
	$(Q)/usr/bin/python3 tests/bench/run.py --build $(O)
## fuzz: build libFuzzer targets and fuzz each for SECONDS (60)
fuzz: deps
	$(Q)tests/fuzz/fuzz.sh $(or $(SECONDS),60)
## run: store, forwarder and agent on this host, until Ctrl-C. SCOPE=tree CMD='...': only that command's tree. SELECTORS=all: every call
run: deps
	$(Q)$(MAKE) -j$$(nproc) --no-print-directory all
	$(Q)exec $(O)/bin/hosttrail up --dir $(O)/run $(if $(SCOPE),--scope $(SCOPE)) $(if $(SELECTORS),--selectors $(SELECTORS)) $(if $(CMD),-- sh -c "$$CMD")
## deps: install missing Debian packages (apt-get)
deps:
	$(Q)tools/deps.sh
bench-deps:
	$(Q)HT_DEPS=bench tools/deps.sh
## format: show where C files differ from .clang-format
format:
	$(Q)tests/lint/format.py --show
## install: programs, man pages, units, example configs to DESTDIR PREFIX
install: all
	$(Q)tools/install.sh "$(O)" "$(DESTDIR)" "$(PREFIX)"
## arm64: cross-build the agent, the command line and the workloads that arm64 has, into build/arm64 (tools/arm64.sh)
arm64-workloads := $(filter-out all_calls attacks_block attacks_enter attacks_evade attacks_forge attacks_pretend bit30 highbits hooks pathraces seccomp_errno statictls tlsloop tlsrelay int80 uring_rate %32,\
	$(notdir $(workloads)))
arm64:
	$(Q)tools/arm64.sh build/arm64 build/arm64/bin/hosttraild build/arm64/bin/hosttrail $(arm64-workloads:%=build/arm64/tests/workloads/%)
## clean: remove what this Makefile made
clean:
	$(Q)rm -rf $(O)
help:
	@sed -n 's/^## \([a-z0-9-]*\): /\1\t/p' Makefile | sort | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'
	@echo "  variables: O=build  SAN=1 (ASan+UBSan, into build/san)  SAN=thread (TSan, into build/tsan)  V=1  DESTDIR= PREFIX=/usr/local"

.PHONY: bpf-syntax all check check-long check-kernels check-fresh bench bench-deps fuzz run deps format install clean help tests-build
-include $(shell find $(O) -maxdepth 3 -type f -name '*.d' 2>/dev/null) $(if $(filter 1 thread,$(SAN)),$(wildcard $(G)/bpf/*.d))
