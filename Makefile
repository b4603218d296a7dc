# SPDX-License-Identifier: GPL-2.0
# pvfault: asynchronous page faults for Linux guests. "make help" lists all.

BUILD	?= $(CURDIR)/build
export BUILD
# "make" leaves nothing outside the build folder.
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: help
help:
	@echo 'For everybody:'
	@echo '  make demo              build a kernel, boot it as a guest that its host swaps,'
	@echo '                         without and with pvfault; print one table (15 minutes cold); on'
	@echo '                         this machine'\''s KVM if that works; ACCEL=tcg: emulated'
	@echo '  make demo HV=xen       the same with a Xen guest and the pager in dom0 (15 minutes cold)'
	@echo '  make report            run the demo traced, draw what its CPUs and tasks did:'
	@echo '                         build/report/kvm.html, with HV=xen xen.html (5 minutes,'
	@echo '                         kernel built)'
	@echo '  make test              the tests (40 minutes cold)'
	@echo '  make apply KDIR=tree   put pvfault into a kernel tree of your own'
	@echo '  make unapply KDIR=tree take it out again'
	@echo '  make deb               Debian packages of the kernel and the tools: build/packages/'
	@echo '                         (two hours cold; FLAVOUR=small 10 minutes, for the tests)'
	@echo
	@echo 'For working on it:'
	@echo '  make setup             install what is missing from Debian'\''s packages'
	@echo '  make kernel            build the kernel that the tests boot'
	@echo '                         (CONFIG=main|off|bare|debug|sleeps|gcov|kcsan|rt|torture|dwarf|hostile|'
	@echo '                         kvm2010|up|i386|i386-nopae,'
	@echo '                         TREE=pvfault|stock|pvfault-6.1|pvfault-7.3)'
	@echo '  make menuconfig        choose pvfault'\''s options, for make kernel CONFIG=menu'
	@echo '  make xen               build the hypervisor with memory paging, fetch its tools'
	@echo '  make pager             build the pager of Xen'\''s dom0, build/pager/pvfault-pager'
	@echo '  make warm              build the tool that brings memory in, build/warm/pvfault-warm'
	@echo '  make stat              build pvfault-stat, build/stat/pvfault-stat'
	@echo '  make unit              the token table in userspace, under sanitizers'
	@echo '  make pager-unit        the pager against a simulated Xen, under sanitizers'
	@echo '  make stat-unit         pvfault-stat on made-up kernels; all messages are documented'
	@echo '                         (unit, pager-unit: ONLY='\''*pattern*'\'' runs the tests of that name)'
	@echo '  make proof             the protocol'\''s model, its mutants, a fuzzer: one table (8 minutes)'
	@echo '  make coverage          lines of the core and its backends that tests run (25 minutes)'
	@echo '  make matrix            build it in some 100 configurations of Linux 6.12, 7.3 and 6.1;'
	@echo '                         ONLY='\''7.3 *'\'' some of them (an hour; goes on where it stopped)'
	@echo '  make kunit             the core in a real kernel'
	@echo '  make e2e SCENARIO=name one scenario; SABOTAGE=what breaks something on purpose'
	@echo '  make e2e FILTER=kvm-*  several of them, one after the other'
	@echo '  make e2e-list          what scenarios and sabotages there are'
	@echo '  make bench             beside a stock kernel: one table, one picture (35 minutes, cold 50)'
	@echo '  make bench-full        all benchmarks (some hours); goes on where it stopped'
	@echo '  make bench BENCH=name  one of them; make bench-list names them'
	@echo '  make lint              checkpatch --strict, sparse, pylint, the words of comments'
	@echo '  make docs              all pages as HTML, without a warning: build/docs/'
	@echo '  make test-all          everything; goes on where it stopped'
	@echo '  make test-slice MINUTES=25  what of it has not been run for longest, as far as it fits'
	@echo '  make clean             remove the build folder'

.PHONY: setup
setup:
	@scripts/setup.sh

# What these name is checked before anything is installed or built, if Python is there.
python	:= command -v python3 >/dev/null || scripts/setup.sh && python3

HV	?= kvm
ACCEL	?=
CONFIG	?= main
TREE	?= pvfault

.PHONY: kernel
kernel:
	@scripts/kernel.sh "$(TREE)" "$(CONFIG)" check
	@scripts/setup.sh
	@scripts/kernel.sh "$(TREE)" "$(CONFIG)"

# The kernel's own tools: nconfig and config, too.
MENU	?= menuconfig

.PHONY: menuconfig
menuconfig: setup
	@scripts/menuconfig.sh "$(MENU)"

.PHONY: xen
xen: setup
	@scripts/xen.sh

.PHONY: demo
demo:
	@$(python) tests/e2e/demo.py "$(HV)" "$(ACCEL)"

MINUTES	?= 25

.PHONY: test test-all test-slice
test: setup
	@python3 tests/run.py quick
test-all: setup
	@python3 tests/run.py all
test-slice: setup
	@python3 tests/run.py slice "$(MINUTES)"

.PHONY: report
report:
	@$(python) tests/report/run.py $(HV)

.PHONY: unit
unit: setup
	@$(MAKE) --no-print-directory -C tests/unit OUT=$(BUILD)/unit check

.PHONY: pager pager-unit
pager: setup
	@$(MAKE) --no-print-directory -C tools/pvfault OUT=$(BUILD)/pager
pager-unit: setup
	@$(MAKE) --no-print-directory -C tests/pager OUT=$(BUILD)/pager-unit check

.PHONY: warm
warm: setup
	@$(MAKE) --no-print-directory -C tools/pvfault/warm OUT=$(BUILD)/warm

.PHONY: stat stat-unit
stat: setup
	@$(MAKE) --no-print-directory -C tools/pvfault/stat OUT=$(BUILD)/stat
stat-unit: setup
	@python3 tests/stat/test_stat.py
	@python3 tests/stat/test_messages.py

.PHONY: proof
proof: setup
	@python3 tests/proof/proof.py

.PHONY: coverage
coverage: setup
	@python3 tests/run.py step coverage

.PHONY: matrix
matrix: setup
	@python3 tests/matrix/matrix.py --only "$(ONLY)"

.PHONY: e2e e2e-list kunit
kunit: SCENARIO = $@
e2e kunit:
	@$(python) tests/e2e/run.py --build "$(or $(SCENARIO),$(FILTER))" --sabotage "$(SABOTAGE)"
e2e-list:
	@$(python) tests/e2e/run.py --list

.PHONY: bench bench-full bench-list
bench:
	@$(python) tests/bench/run.py "$(BENCH)"
bench-full:
	@$(python) tests/bench/run.py --full
bench-list:
	@$(python) tests/bench/run.py --list

.PHONY: apply unapply
apply unapply:
	@scripts/apply.py $@ "$(KDIR)"

FLAVOUR	?= cloud-amd64

.PHONY: deb
deb:
	@scripts/deb.sh "$(FLAVOUR)"

.PHONY: lint
lint: setup
	@scripts/lint.sh

.PHONY: docs
docs:
	@scripts/setup.sh python3-sphinx
	@scripts/docs.sh

.PHONY: clean
clean:
	rm -rf $(BUILD)
