#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""make coverage: lines of the core and its backends that a test has run.

gcov counts; the unit tests in userspace, the KUnit suites in a kernel, and guests of KVM
and of Xen that are suspended, saved, killed and so on are added up. noinstr code isn't
counted, because counting is a call, which noinstr text must not make.
"""

import base64
import collections
import gzip
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "rig"), str(HERE.parent / "e2e")]
import rig  # noqa: E402
import kvm  # noqa: E402
import life  # noqa: E402
import xen  # noqa: E402
from hostile import RATE, entry_text  # noqa: E402
from xen import domu  # noqa: E402
from xenguests import (FORGOTTEN, forgotten, relieve, restored_late,  # noqa: E402
                       save_early, save_refused, withdrawing)

FOLDERS = ("arch/x86/kernel/pvfault", "drivers/pvfault")
# The parts with a target, and the files of each.
PARTS = {"core": FOLDERS[0], "kvm": "drivers/pvfault/kvm.c", "xen": "drivers/pvfault/xen",
         "sim": "drivers/pvfault/sim.c"}
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


def laid_out(boot, counts):
    """Lay the COUNTS of a BOOT, {file: bytes}, beside links to the compiler's notes.
    Return where they are."""
    folder, found = rig.BUILD / "coverage" / boot, []
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in counts.items():
        built = pathlib.Path(name)
        here = folder / built.relative_to(rig.BUILD)
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_bytes(data)
        here.with_suffix(".gcno").symlink_to(built.with_suffix(".gcno"))
        found.append(here)
    return found


def guest_counts(v, guests):
    """The counts of GUESTS, as reported by instrumented.c. The end of one guest's report may
    arrive when the next guest has begun, so all are read as one stream; a file that comes
    again belongs to the next guest."""
    sets, name = [], None
    for key, value in (said for guest in guests for said in guest.heard):
        if key == "gcda":
            name = value
            if not sets or name in sets[-1]:
                sets.append({})
            sets[-1][name] = b""
        elif key == "bytes" and name:
            sets[-1][name] += bytes.fromhex(value.removeprefix("x"))
    v.check(f"{', '.join(g.name for g in guests)}: came to their end and told their counts",
            all(g.done for g in guests) and len(sets) == len(guests) and
            len({len(counts) for counts in sets}) == 1, [len(counts) for counts in sets])
    return [path for i, counts in enumerate(sets)
            for path in laid_out(f"{guests[0].name}{i}", counts)]


def kvm_counts(v):
    """KVM guests: one whose host lies, loses interrupts, swaps, suspends it, and takes its
    vCPU away; one with guests of its own, to which the host doesn't lie (kvm-hostile has
    that); one with pvfault switched off; and one whose host offers nothing."""
    kernel = rig.kernel("gcov")
    lied = kvm.L2("kvm", "pvfault=on pvfault_deadline_ms=2000 load.gcov=ttyS1 load.secs=20 "
                  "load.alone=1 load.mb=128 load.tasks=4 load.hotplug=1 load.suspend=1 "
                  "load.oldest=1", vcpus=2, limit=300, kernel=kernel, steps=life.lie)
    lied.lies = {"lie_not": entry_text(kernel), "lie_seed": 1, "lie": RATE // 2,
                 "lose_interrupt": 100}
    nested = kvm.L2("nested", "pvfault=on load.gcov=ttyS1 load.secs=10 load.alone=1 "
                    "load.mb=128 load.tasks=2 load.guest=2", limit=200, kernel=kernel)
    nested.cpu = kvm.NESTED_CPU
    without = kvm.L2("no-kvmapf", "no-kvmapf load.gcov=ttyS1 load.secs=1 load.alone=1 "
                     "load.mb=8 load.tasks=1", limit=120, kernel=kernel)
    none = kvm.L2("none", "load.gcov=ttyS1 load.secs=1 load.alone=1 load.mb=8 load.tasks=1",
                  limit=120, kernel=kernel)
    none.cpu = f"{kvm.CPU},kvm-asyncpf-int=off"
    guests = [lied, without, none, nested]
    for guest in guests:
        guest.strict = False
    kvm.run_guests("coverage-kvm", guests, memory="130M", reads=400,
                   l1_kernel=rig.kernel("hostile"))
    return guest_counts(v, guests)


def xen_counts(v):
    """Xen guests: one whose pagers and vCPU come and go, some that take their memory back,
    one that is saved and restored, one that refuses to be saved, and one whose device
    vanishes from XenStore."""
    line = "load.alone=1 load.secs="
    comes = domu("xen", f"{line}40 load.hotplug=1", vcpus=2, limit=400,
                 steps=lambda guest: relieve(guest, 2))
    saved = domu("saved", f"{line}20", vcpus=2, steps=save_early)
    guests = [comes, *withdrawing(), saved, restored_late("late"),
              save_refused("refused"), *map(forgotten, FORGOTTEN)]
    for guest in guests:
        guest.line += " load.gcov=hvc0"
    xen.run_guests("coverage-xen", guests, reads=1000, domu_kernel=rig.kernel("gcov"))
    return guest_counts(v, guests)


def kernel_counts(v):
    """A kernel with the KUnit suites."""
    counts, said = {}, {}
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
                counts[name] = base64.b64decode(data)
        failed = re.findall(r"^\s*not ok .*", boot.text(), re.M)
    v.check("the kernel told its counts", "done" in said and counts, len(counts))
    for key, value in (("deadline", "30000"), ("waiting", "1 sim"), ("sleepers", "1"),
                       ("woken", "0 sim"), ("over", "0 none")):
        v.check(f"simulated backend: {key}: {value}", said.get(key) == value, said.get(key))
    v.check("no KUnit case failed", not failed, failed[:3])
    return laid_out("kunit", counts)


def user_counts():
    """Build and run the unit tests with counters."""
    out = rig.BUILD / "unit-coverage"
    for old in out.rglob("*.gcda"):
        old.unlink()
    rig.run("make", "-s", "--no-print-directory", "-C", rig.ROOT / "tests/unit",
            f"OUT={out}", "BUILDS=cov", "FLAGS_cov=-O0 --coverage", "SECS=2", "check",
            stdout=subprocess.DEVNULL)
    return [p for p in out.rglob("*.gcda") if p.stem in ("table", "marks", "batch", "scan")]


class Counts:
    """The counts of one source file."""

    def __init__(self):
        self.lines = collections.Counter()
        # {build: {line: [count of each branch]}}: two compilers make different branches of a
        # line.
        self.branches = collections.defaultdict(dict)

    def add(self, build, file):
        for line in file["lines"]:
            number = line["line_number"]
            self.lines[number] += line["count"]
            new = [b["count"] for b in line.get("branches", ())]
            seen = self.branches[build].setdefault(number, [0] * len(new))
            self.branches[build][number] = [a + b for a, b in zip(seen, new)] or new

    def missed(self):
        return [n for n, count in self.lines.items() if not count]

    def branches_taken(self):
        """(taken, all). If a line is in two builds, the one with more branches taken counts."""
        taken = all_ = 0
        for number in self.lines:
            known = [b[number] for b in self.branches.values() if b.get(number)]
            best = max(known, key=lambda b: sum(map(bool, b)) / len(b), default=())
            taken += sum(map(bool, best))
            all_ += len(best)
        return taken, all_


def add_counts(files, build, counts):
    """Add gcov's result for one file of COUNTS to FILES, {source: Counts}."""
    with tempfile.TemporaryDirectory() as folder:
        rig.run("gcov", "-b", "-j", "-o", counts.parent, counts, cwd=folder,
                stdout=subprocess.DEVNULL)
        for result in pathlib.Path(folder).glob("*.gcov.json.gz"):
            for file in json.loads(gzip.decompress(result.read_bytes()))["files"]:
                found = re.search(rf"({'|'.join(FOLDERS)})/(?!.*(?:test|kunit))[\w/]+\.c$",
                                  file["file"])
                if found:
                    files[found.group(0)].add(build, file)


def ranges(numbers):
    """[1, 2, 3, 7] as "1-3 7"."""
    out = []
    for n in sorted(numbers):
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def percent(part, whole):
    return round(100 * part / whole, 1) if whole else 0


def show(files):
    print(f"{'file':<38}{'lines':>6}{'run':>6}{'%':>6}{'branches':>9}{'%':>6}  not run")
    for name, seen in sorted(files.items()):
        missed, (taken, all_) = seen.missed(), seen.branches_taken()
        run = len(seen.lines) - len(missed)
        print(f"{name:<38}{len(seen.lines):>6}{run:>6}{percent(run, len(seen.lines)):>6}"
              f"{all_:>9}{percent(taken, all_):>6}  {ranges(missed)}")


def coverage(v):
    files = collections.defaultdict(Counts)
    for counts in user_counts():
        add_counts(files, "user", counts)
    for counts in (*kernel_counts(v), *kvm_counts(v), *xen_counts(v)):
        add_counts(files, "kernel", counts)
    show(files)
    for part, where in PARTS.items():
        mine = [seen for name, seen in files.items() if name.startswith(where)]
        lines = sum(len(seen.lines) for seen in mine)
        run = lines - sum(len(seen.missed()) for seen in mine)
        branches = [sum(n) for n in zip(*(seen.branches_taken() for seen in mine))]
        v.metrics[part] = {"lines": lines, "lines_percent": percent(run, lines),
                           "branches_percent": percent(*branches)}
        v.check(f"{part}: at least {WANTED} % of the lines", run >= lines * WANTED / 100 > 0,
                f"{percent(run, lines)} %, branches {percent(*branches)} %")


def main():
    return 0 if rig.judge("coverage", coverage).ok else 1


if __name__ == "__main__":
    rig.program(main)
