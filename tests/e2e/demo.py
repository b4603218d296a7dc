#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The main job: boot the same guest without and with pvfault, print one table. Under KVM
its host runs on this machine's KVM if that can boot it, else on emulated processors."""

import os
import pathlib
import platform
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "rig")]
import rig  # noqa: E402
import hardware  # noqa: E402
import kvm  # noqa: E402
import registry  # noqa: E402
import steps  # noqa: E402
from checks import READS  # noqa: E402


JOBS = {
    "kvm": ("kvm-swap", "pvfault=off", "pvfault=on",
            "a guest of 256 MiB walks 160 MiB with 8 tasks while a 9th computes; its KVM "
            f"host gives it 150 MiB and swaps at {READS} reads/s. Once without, "
            "once with pvfault: about 3 minutes"),
    "xen": ("xen-paging", "vCPU held", "pvfault",
            "a PVH guest of 224 MiB walks 72 MiB with 8 tasks while a 9th computes; its "
            "pager in dom0 leaves it 190 MiB and brings pages back at "
            f"{READS} reads/s. Once holding the vCPU, as Xen does, once with "
            "pvfault: about 4 minutes"),
}


ACCELS = ("", "tcg", "kvm")


def processor(hypervisor, accel):
    """What the host of the guest runs on, as a sentence. ACCEL chooses it."""
    if hypervisor != "kvm":
        return "QEMU's emulation"
    if accel == "tcg":
        return "QEMU's emulation, as ACCEL=tcg asks"
    why = hardware.refusal()
    if why and accel:
        sys.exit(f"make demo: ACCEL=kvm: {why}")
    if why:
        return f"QEMU's emulation, because {why}"
    kvm.on_kvm = True
    return "this machine's KVM"


def first(pattern, text):
    """What it finds in TEXT, in one line."""
    found = re.search(pattern, text, re.M)
    return " ".join(found[1].split()) if found else "unknown"


def machine():
    """This machine for a report: models and versions, and nothing of its owner's."""
    cpu = first(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    said = subprocess.run([rig.QEMU, "--version"], capture_output=True, text=True, check=True)
    mib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=rig.ROOT,
                            capture_output=True, text=True, check=False).stdout.strip()
    release = rig.kernel().parents[3] / "include/config/kernel.release"
    return [("processor", cpu), ("CPUs, memory", f"{os.cpu_count()}, {mib} MiB"),
            ("this machine's kernel", first(r"^([\d.]+)", platform.release())),
            ("QEMU", first(r"version ([\d.]+)", said.stdout)),
            ("pvfault", f"{commit or 'unknown'}, on Linux {release.read_text().strip()}")]


def main():
    hypervisor, accel = sys.argv[1:] if len(sys.argv) == 3 else ("", "")
    if hypervisor not in JOBS:
        sys.exit(f"make demo: HV={hypervisor} is none of {', '.join(JOBS)}")
    if accel not in ACCELS:
        sys.exit(f"make demo: ACCEL={accel} is none of tcg, kvm")
    name, off, on, what = JOBS[hypervisor]
    job = registry.load()[name]
    steps.prepare(job.kernels)
    ran_on = processor(hypervisor, accel)
    rig.say(f"the host runs on {ran_on}")
    rig.say(what)
    v = job.judge()
    m = v.metrics
    if not m:
        return 1
    rows = [
        ("", off, on),
        ("speed of the computing task while others wait for pages",
         m["overlap_off"], m["overlap_on"]),
        ("  (1.0 = as fast as alone)", "", ""),
        ("page faults during which other tasks ran", 0, m["async_faults"]),
        ("longest wait for a page, ms", m["worst_touch_off_ms"], m["worst_touch_ms"]),
        ("words of memory found wrong", m["corrupt_off"], m["corrupt_on"]),
    ]
    print(f"\n---- pvfault, make demo HV={hypervisor}, to be pasted into a report")
    for row, text in [("the host ran on", ran_on), *machine()]:
        print(f"  {row:<22}{text}")
    for row, a, b in rows:
        print(f"  {row:<58}{a!s:>13}{b!s:>13}".rstrip())
    if m["overlap_off"]:
        print(f"\n  With pvfault the guest computes {m['overlap_on'] / m['overlap_off']:.1f} "
              "times as much while its host fetches its pages.")
    print("----\n")
    return 0 if v.ok else 1


if __name__ == "__main__":
    rig.program(main)
