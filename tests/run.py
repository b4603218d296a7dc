#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""run.py quick|all: the test run. Prints each step, ends with "N passed, N failed".

What has passed, in either, is not run again by "all" until a file has changed, so
that an interrupted run goes on where it stopped. "quick" always runs each of its
steps.
"""

import sys

from steps import BUILD, kernel, run_all


def e2e(name, *options):
    return ["python3", "tests/e2e/run.py", name, *options]


# name, command; those of QUICK in the order that finds a mistake soonest.
QUICK = [
    ("unit", ["make", "--no-print-directory", "-C", "tests/unit",
              f"OUT={BUILD}/unit", "check"]),
    ("pager", ["make", "--no-print-directory", "-C", "tools/pvfault",
               f"OUT={BUILD}/pager"]),
    ("pager unit", ["make", "--no-print-directory", "-C", "tests/pager",
                    f"OUT={BUILD}/pager-unit", "check"]),
    ("apply", ["python3", "tests/apply/test_apply.py"]),
    ("kernel main", kernel("main")),
    ("kunit", e2e("kunit")),
    ("bad-parameters", e2e("bad-parameters")),
    ("kvm-swap", e2e("kvm-swap")),
    ("kvm-smp", e2e("kvm-smp")),
    ("kvm-kernel", e2e("kvm-kernel")),
    ("kvm-kernel-alloc", e2e("kvm-kernel-alloc")),
    ("kvm-nested", e2e("kvm-nested")),
    ("kvm-sabotage", e2e("kvm-sabotage")),
    ("kvm-hotplug", e2e("kvm-hotplug")),
    ("kvm-suspend", e2e("kvm-suspend")),
    ("kvm-kexec", e2e("kvm-kexec")),
    ("kvm-lost-vector", e2e("kvm-lost-vector")),
    ("kernel hostile", kernel("hostile")),
    ("kvm-lost-ready", e2e("kvm-lost-ready")),
    ("xen", ["scripts/xen.sh"]),
    ("xen-boot", e2e("xen-boot")),
    ("xen-paging", e2e("xen-paging")),
    ("xen-smp", e2e("xen-smp")),
    ("xen-detach", e2e("xen-detach")),
]

# What takes longer.
MORE = [
    ("lint", ["scripts/lint.sh"]),
    ("unit mutants", ["make", "--no-print-directory", "-C", "tests/unit",
                      f"OUT={BUILD}/unit", "mutants"]),
    ("proof", ["python3", "tests/proof/proof.py"]),
    ("kernel gcov", kernel("gcov")),
    ("coverage", ["python3", "tests/proof/coverage.py"]),
    ("pager fuzz", ["make", "--no-print-directory", "-C", "tests/pager",
                    f"OUT={BUILD}/pager-unit", "FUZZ_SECS=300", "fuzz"]),
    ("kernel off", kernel("off")),
    ("kernel bare", kernel("bare")),
    ("kernel debug", kernel("debug")),
    ("builds", ["python3", "tests/e2e/builds.py"]),
    ("kunit-debug", e2e("kunit-debug")),
    ("kvm-swap-debug", e2e("kvm-swap-debug")),
    ("kvm-hostile", e2e("kvm-hostile")),
    ("kvm-hostile-sabotage", e2e("kvm-hostile-sabotage")),
    ("kernel kcsan", kernel("kcsan")),
    ("kunit-kcsan", e2e("kunit-kcsan")),
    ("kvm-swap-kcsan", e2e("kvm-swap-kcsan")),
    ("kvm-kernel-kcsan", e2e("kvm-kernel-kcsan")),
    ("kvm-kernel-smp", e2e("kvm-kernel-smp")),
    ("kvm-kernel-locks", e2e("kvm-kernel-locks")),
    ("kvm-kernel-debug", e2e("kvm-kernel-debug")),
    ("kernel rt", kernel("rt")),
    ("kunit-rt", e2e("kunit-rt")),
    ("kvm-kernel-rt", e2e("kvm-kernel-rt")),
    ("kernel torture", kernel("torture")),
    ("kvm-kernel-torture", e2e("kvm-kernel-torture")),
    ("xen-kernel-torture", e2e("xen-kernel-torture")),
    ("kernel-sabotage", e2e("kernel-sabotage")),
    ("kvm-kill", e2e("kvm-kill")),
    ("kvm-kdump", e2e("kvm-kdump")),
    ("kvm-reboot", e2e("kvm-reboot")),
    ("kvm-snapshot", e2e("kvm-snapshot")),
    ("kvm-nested-restore", e2e("kvm-nested-restore")),
    ("kvm-out-again", e2e("kvm-out-again")),
    ("kvm-cut-off", e2e("kvm-cut-off")),
    ("kvm-postcopy", e2e("kvm-postcopy")),
    ("kernel stock", kernel("main", "stock")),
    ("kvm-stock-hang", e2e("kvm-stock-hang")),
    ("life-sabotage", e2e("life-sabotage")),
    ("soak", e2e("soak")),
    ("xen-kernel", e2e("xen-kernel")),
    ("kernel 6.1", kernel("main", "pvfault-6.1")),
    ("kunit-6.1", e2e("kunit-6.1")),
    ("kvm-6.1", e2e("kvm-6.1")),
    ("kvm-nested-6.1", e2e("kvm-nested-6.1")),
    ("xen-6.1", e2e("xen-6.1")),
    ("xen-hvm", e2e("xen-hvm")),
    ("xen-kexec", e2e("xen-kexec")),
    ("xen-kdump", e2e("xen-kdump")),
    ("xen-lifecycle", e2e("xen-lifecycle")),
    ("xen-withdraw", e2e("xen-withdraw")),
    ("xen-forgotten", e2e("xen-forgotten")),
    ("xen-sabotage", e2e("xen-sabotage")),
    ("xen-pager-crash", e2e("xen-pager-crash")),
    ("xen-pager-term", e2e("xen-pager-term")),
    ("xen-save-restore", e2e("xen-save-restore")),
    ("xen-migrate", e2e("xen-migrate")),
    ("xen-pager-sabotage", e2e("xen-pager-sabotage")),
    ("xen-pressure", e2e("xen-pressure")),
    ("hotpath", ["python3", "tests/bench/run.py", "hotpath"]),
    ("table", ["python3", "tests/bench/run.py", "table"]),
    ("ready", ["python3", "tests/bench/run.py", "ready"]),
]


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in ("quick", "all"):
        sys.exit("usage: run.py quick|all")
    everything = sys.argv[1] == "all"
    failed = run_all(QUICK + MORE if everything else QUICK, BUILD / "passed.json",
                     resume=everything)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; run it again")
