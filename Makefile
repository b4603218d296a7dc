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
	@echo '                         without and with pvfault; print one table (15 minutes cold)'
	@echo '  make demo HV=xen       the same with a Xen guest and the pager in dom0 (15 minutes cold)'
	@echo '  make test              the tests (40 minutes cold)'
	@echo '  make apply KDIR=tree   put pvfault into a kernel tree of your own'
	@echo '  make unapply KDIR=tree take it out again'
	@echo
	@echo 'For working on it:'
	@echo '  make setup             install what is missing from Debian'\''s packages'
	@echo '  make kernel            build the kernel that the tests boot (CONFIG=main|off|bare|debug|kcsan|rt|torture|hostile,'
	@echo '                         TREE=pvfault|stock|pvfault-6.1)'
	@echo '  make xen               build the hypervisor with memory paging, fetch its tools'
	@echo '  make pager             build the pager of Xen'\''s dom0, build/pager/pvfault-pager'
	@echo '  make unit              the token table in userspace, under sanitizers'
	@echo '  make pager-unit        the pager against a simulated Xen, under sanitizers'
	@echo '  make proof             the protocol'\''s model, its mutants, a fuzzer: one table (8 minutes)'
	@echo '  make coverage          lines of the core and its backends that tests run (25 minutes)'
	@echo '  make kunit             the core in a real kernel'
	@echo '  make e2e SCENARIO=name one scenario; SABOTAGE=what breaks something on purpose'
	@echo "                         ($$(python3 tests/e2e/run.py --list))"
	@echo '  make bench             beside a stock kernel: one table, one picture (35 minutes, cold 50)'
	@echo '  make bench-full        all benchmarks (some hours); goes on where it stopped'
	@echo "  make bench BENCH=name  one of them ($$(python3 tests/bench/run.py --list))"
	@echo '  make lint              checkpatch --strict and sparse'
	@echo '  make test-all          everything; goes on where it stopped'
	@echo '  make clean             remove the build folder'

.PHONY: setup
setup:
	@scripts/setup.sh

HV	?= kvm
CONFIG	?= main
TREE	?= pvfault

.PHONY: kernel
kernel: setup
	@scripts/kernel.sh $(TREE) $(CONFIG)

.PHONY: xen
xen: setup
	@scripts/xen.sh

.PHONY: demo
demo: setup
	@case "$(HV)" in kvm|xen) ;; *) echo "make demo: HV=$(HV) is neither kvm nor xen" >&2; exit 2 ;; esac
	@scripts/kernel.sh pvfault main
	@[ "$(HV)" != xen ] || scripts/xen.sh
	@python3 tests/e2e/demo.py $(HV)

.PHONY: test test-all
test: setup
	@python3 tests/run.py quick
test-all: setup
	@python3 tests/run.py all

.PHONY: unit
unit: setup
	@$(MAKE) --no-print-directory -C tests/unit OUT=$(BUILD)/unit check

.PHONY: pager pager-unit
pager: setup
	@$(MAKE) --no-print-directory -C tools/pvfault OUT=$(BUILD)/pager
pager-unit: setup
	@$(MAKE) --no-print-directory -C tests/pager OUT=$(BUILD)/pager-unit check

.PHONY: proof
proof: setup
	@python3 tests/proof/proof.py

.PHONY: coverage
coverage: setup
	@for config in main hostile gcov; do scripts/kernel.sh pvfault $$config || exit; done
	@scripts/xen.sh
	@python3 tests/proof/coverage.py

.PHONY: kunit
kunit: setup
	@scripts/kernel.sh pvfault main
	@python3 tests/e2e/run.py kunit

.PHONY: e2e
e2e: setup
	@[ -n "$(SCENARIO)" ] || { echo 'make e2e: say which, SCENARIO=name; make help lists them' >&2; exit 2; }
	@scripts/kernel.sh pvfault main
	@case "$(SCENARIO)$(SABOTAGE)" in *lost-ready|*out-again*|kvm-hostile*) scripts/kernel.sh pvfault hostile ;; \
		*stock*|life-sabotage*) scripts/kernel.sh pvfault hostile; scripts/kernel.sh stock main ;; \
		*debug*) scripts/kernel.sh pvfault debug ;; \
		*kcsan*) scripts/kernel.sh pvfault kcsan ;; \
		*-rt*) scripts/kernel.sh pvfault rt ;; \
		*torture*) scripts/kernel.sh pvfault torture ;; \
		*-6.1*) scripts/kernel.sh pvfault-6.1 main ;; esac
	@case "$(SCENARIO)" in xen-*) scripts/xen.sh ;; esac
	@python3 tests/e2e/run.py $(SCENARIO) --sabotage "$(SABOTAGE)"

.PHONY: bench bench-full
bench: setup
	@python3 tests/bench/run.py $(BENCH)
bench-full: setup
	@python3 tests/bench/run.py --full

.PHONY: apply unapply
apply unapply:
	@scripts/apply.py $@ "$(KDIR)"

.PHONY: lint
lint: setup
	@scripts/lint.sh

.PHONY: clean
clean:
	rm -rf $(BUILD)
