#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The main job: boot the same guest without and with pvfault, print one table."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "rig"))
import rig  # noqa: E402
import scenarios  # noqa: E402


def main():
    rig.say("a guest of 256 MiB walks 160 MiB with 8 tasks while a 9th computes; "
            "its KVM host gives it 150 MiB and swaps at "
            f"{scenarios.READS} reads/s. Once without, once with pvfault: "
            "about 3 minutes")
    v = rig.judge("kvm-swap", scenarios.ALL["kvm-swap"], "")
    m = v.metrics
    if not m:
        return 1
    rows = [
        ("", "pvfault=off", "pvfault=on"),
        ("speed of the computing task while others wait for pages",
         m["overlap_off"], m["overlap_on"]),
        ("  (1.0 = as fast as alone)", "", ""),
        ("page faults during which other tasks ran", 0, m["async_faults"]),
        ("longest wait for a page, ms", m["worst_touch_off_ms"], m["worst_touch_ms"]),
        ("words of memory found wrong", m["corrupt_off"], m["corrupt_on"]),
    ]
    print()
    for what, off, on in rows:
        print(f"  {what:<58}{off!s:>13}{on!s:>13}")
    if m["overlap_off"]:
        print(f"\n  With pvfault the guest computes {m['overlap_on'] / m['overlap_off']:.1f} "
              "times as much while its host fetches its pages.\n")
    return 0 if v.ok else 1


if __name__ == "__main__":
    rig.program(main)
