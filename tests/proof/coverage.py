#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""make coverage: lines of the core and its backends that a test has run.

The unit tests in userspace and the KUnit suites in a kernel, by gcov, together.
noinstr code isn't counted: what counts would be a call out of noinstr text.
"""

import base64
import collections
import gzip
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "rig"))
import rig  # noqa: E402

FOLDERS = ("arch/x86/kernel/pvfault", "drivers/pvfault")
WANTED = 90

# Lets a task wait for the simulated backend and looks at it; then sends what gcov
# knows, a file a line. The kernel tells no sizes there.
INIT = """#!/bin/sh
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t debugfs debug /sys/kernel/debug
exec >/dev/ttyS1
cd /sys/kernel/debug/pvfault/sim
tell() {
	echo "$1 $(cat /sys/kernel/pvfault/outstanding) $(cat /sys/kernel/pvfault/backend)"
}
echo 1 >register
echo 30000 >/sys/kernel/pvfault/deadline_ms
echo "deadline $(cat /sys/kernel/pvfault/deadline_ms)"
echo 7 >not_present &
sleep 1
tell waiting
echo "sleepers $(grep -c 0x7 ../sleepers)"
echo 7 >ready
wait
tell woken
echo 8 >not_present &
sleep 1
echo all >ready
wait
echo "0 0" >window
echo 0 >register
tell over
cat /sys/kernel/pvfault/counters/* >/dev/null
cd /sys/kernel/debug/gcov
for f in $(busybox find . -name '*.gcda'); do
	echo "gcda ${f#.} $(cat $f | busybox base64 | tr -d '\\n')"
done
echo "done 1"
reboot -f
"""


def kernel_counts(v):
    """Boot a kernel with the KUnit suites; leave what it counted beside its objects."""
    found, said = [], {}
    root = rig.archive("coverage", {**rig.busybox(), "init": INIT})
    with rig.Boot("coverage", rig.kernel("gcov"), [root],
                  append="kunit.enable=1 kernelcore=512M pvfault=maybe "
                         "pvfault_deadline_ms=soon",
                  options=(*rig.smp(2), "-m", "1024")) as boot:
        for line in boot.lines(400):
            key, _, value = line.partition(" ")
            if key != "gcda":
                said[key] = value
            else:
                name, _, data = value.partition(" ")
                path = pathlib.Path(name)
                path.write_bytes(base64.b64decode(data))
                found.append(path)
        failed = re.findall(r"^\s*not ok .*", boot.text(), re.M)
    v.check("the kernel told its counts", "done" in said and found, len(found))
    for key, value in (("deadline", "30000"), ("waiting", "1 sim"), ("sleepers", "1"),
                       ("woken", "0 sim"), ("over", "0 none")):
        v.check(f"simulated backend: {key}: {value}", said.get(key) == value, said.get(key))
    v.check("no KUnit case failed", not failed, failed[:3])
    return found


def user_counts():
    """Build and run the unit tests with counters."""
    out = rig.BUILD / "unit-coverage"
    for old in out.rglob("*.gcda"):
        old.unlink()
    rig.run("make", "-s", "--no-print-directory", "-C", rig.ROOT / "tests/unit",
            f"OUT={out}", "BUILDS=cov", "FLAGS_cov=-O0 --coverage", "SECS=2", "check",
            stdout=subprocess.DEVNULL)
    return [p for p in out.rglob("*.gcda") if p.stem in ("table", "marks", "scan")]


def add_lines(lines, counts):
    """Add what gcov makes of one file of COUNTS to {source: {line: count}}."""
    with tempfile.TemporaryDirectory() as folder:
        rig.run("gcov", "-j", "-o", counts.parent, counts, cwd=folder,
                stdout=subprocess.DEVNULL)
        for result in pathlib.Path(folder).glob("*.gcov.json.gz"):
            for file in json.loads(gzip.decompress(result.read_bytes()))["files"]:
                found = re.search(rf"({'|'.join(FOLDERS)})/(?!.*test)[\w/]+\.c$",
                                  file["file"])
                if not found:
                    continue
                seen = lines[found.group(0)]
                for line in file["lines"]:
                    seen[line["line_number"]] += line["count"]


def ranges(numbers):
    """[1, 2, 3, 7] as "1-3 7"."""
    out = []
    for n in sorted(numbers):
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def coverage():
    v = rig.Verdict("coverage")
    lines = collections.defaultdict(collections.Counter)
    for counts in (*user_counts(), *kernel_counts(v)):
        add_lines(lines, counts)
    total = collections.Counter()
    print(f"{'file':<42}{'lines':>6}{'run':>6}{'%':>6}  not run")
    for name, seen in sorted(lines.items()):
        missed = [n for n, count in seen.items() if not count]
        run = len(seen) - len(missed)
        print(f"{name:<42}{len(seen):>6}{run:>6}{100 * run / len(seen):>6.1f}  "
              f"{ranges(missed)}")
        folder = next(f for f in FOLDERS if name.startswith(f))
        total[folder, "all"] += len(seen)
        total[folder, "run"] += run
    for folder in FOLDERS:
        percent = 100 * total[folder, "run"] / max(total[folder, "all"], 1)
        v.metrics[f"lines_percent {folder}"] = round(percent, 1)
    core = v.metrics[f"lines_percent {FOLDERS[0]}"]
    v.check(f"core: at least {WANTED} % of the lines", core >= WANTED, core)
    return v


def main():
    return 0 if rig.judge("coverage", coverage).ok else 1


if __name__ == "__main__":
    rig.program(main)
