#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""run.py quick|all: the test run. Prints each step, ends with "N passed, N failed".

What has passed, in either, is not run again by "all" until a file has changed, so
that an interrupted run goes on where it stopped. "quick" always runs each of its
steps.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))


def kernel(config, tree="pvfault"):
    return ["scripts/kernel.sh", tree, config]


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
    ("kvm-nested", e2e("kvm-nested")),
    ("kvm-sabotage", e2e("kvm-sabotage")),
    ("kvm-lost-vector", e2e("kvm-lost-vector")),
    ("kernel hostile", kernel("hostile")),
    ("kvm-lost-ready", e2e("kvm-lost-ready")),
    ("xen", ["scripts/xen.sh"]),
    ("xen-boot", e2e("xen-boot")),
    ("xen-paging", e2e("xen-paging")),
    ("xen-smp", e2e("xen-smp")),
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
    ("builds", ["python3", "tests/e2e/builds.py"]),
    ("kernel debug", kernel("debug")),
    ("kunit-debug", e2e("kunit-debug")),
    ("kvm-swap-debug", e2e("kvm-swap-debug")),
    ("kvm-kernel-smp", e2e("kvm-kernel-smp")),
    ("kvm-kernel-debug", e2e("kvm-kernel-debug")),
    ("kernel-sabotage", e2e("kernel-sabotage")),
    ("kvm-hotplug", e2e("kvm-hotplug")),
    ("kvm-suspend", e2e("kvm-suspend")),
    ("kvm-kexec", e2e("kvm-kexec")),
    ("kvm-kdump", e2e("kvm-kdump")),
    ("kvm-postcopy", e2e("kvm-postcopy")),
    ("xen-kernel", e2e("xen-kernel")),
    ("xen-lifecycle", e2e("xen-lifecycle")),
    ("xen-sabotage", e2e("xen-sabotage")),
    ("xen-pager-crash", e2e("xen-pager-crash")),
    ("xen-pager-term", e2e("xen-pager-term")),
    ("xen-detach", e2e("xen-detach")),
    ("xen-save-restore", e2e("xen-save-restore")),
    ("xen-pressure", e2e("xen-pressure")),
    ("hotpath", ["python3", "tests/bench/run.py", "hotpath"]),
    ("table", ["python3", "tests/bench/run.py", "table"]),
    ("ready", ["python3", "tests/bench/run.py", "ready"]),
]


def fingerprint():
    """Changes with any file of the repository."""
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
                           capture_output=True, text=True, check=True).stdout.split("\n")
    sum_ = hashlib.sha256()
    for name in sorted(f for f in files if f and not f.endswith((".md", ".rst"))):
        path = ROOT / name
        if path.is_file():
            sum_.update(name.encode() + path.read_bytes())
    return sum_.hexdigest()


def counted(output, code):
    """How many passed and failed: as the step says, or the step itself."""
    found = re.findall(r"^(\d+) passed, (\d+) failed", output, re.M)
    if found:
        passed, failed = map(int, found[-1])
        return passed, failed + (code != 0 and failed == 0)
    checks = re.findall(r"^\[[\d:]+\]   (ok    |FAILED) ", output, re.M)
    passed, failed = checks.count("ok    "), checks.count("FAILED")
    if not passed + failed:
        return int(code == 0), int(code != 0)
    return passed, failed + (code != 0 and failed == 0)


def red_lines(output):
    """What a step says of its failures; its last words if it says nothing."""
    found = [line for line in output.splitlines()
             if re.search(r"FAILED|FAIL:|SURVIVED", line)]
    return found[:20] or output.splitlines()[-5:]


def run_step(name, command):
    """Run it, show what it says, return (passed, failed, what was red)."""
    output = []
    process = subprocess.Popen(command, cwd=ROOT, text=True, errors="replace",
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for line in process.stdout:
            output.append(line)
            sys.stdout.write(line)
            sys.stdout.flush()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    text = "".join(output)
    passed, failed = counted(text, process.wait())
    return passed, failed, red_lines(text) if failed else []


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in ("quick", "all"):
        sys.exit("usage: run.py quick|all")
    everything = sys.argv[1] == "all"
    steps = QUICK + MORE if everything else QUICK
    state = BUILD / "passed.json"
    done = {}
    print_ = fingerprint()
    if state.exists():
        kept = json.loads(state.read_text())
        done = kept["done"] if kept["fingerprint"] == print_ else {}

    passed = failed = 0
    red = {}
    began = time.monotonic()
    for i, (name, command) in enumerate(steps, 1):
        if everything and name in done:
            print(f"==== {i}/{len(steps)} {name}: passed before")
            passed += done[name]
            continue
        print(f"==== {i}/{len(steps)} {name} "
              f"({time.monotonic() - began:.0f} s since the start)", flush=True)
        p, f, lines = run_step(name, command)
        passed, failed = passed + p, failed + f
        if f:
            red[name] = lines
            done.pop(name, None)
        else:
            done[name] = p
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_text(json.dumps({"fingerprint": print_, "done": done}))
    for name, lines in red.items():
        print(f"failed: {name}", *lines, sep="\n  ")
    print(f"after {time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; run it again")
