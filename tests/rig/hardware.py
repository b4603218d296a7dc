# SPDX-License-Identifier: GPL-2.0
"""Can this machine's KVM be the processor of L1? That is tried, never guessed: a /dev/kvm
whose guests don't boot is common, above all in machines that are guests themselves."""

import os
import pathlib
from collections.abc import Sequence

import rig
from agent import Host

# Several times what L1 takes to be up, and what its guests take to be found impossible.
SECONDS = 60
NESTED = "test -c /dev/kvm || echo none"


def complaint(log: pathlib.Path) -> str:
    """Why QEMU has ended: the first line of its LOG that is no warning, without its name.
    "" if there is none."""
    lines = (line.strip() for line in log.read_text(errors="replace").splitlines()
             if "warning:" not in line)
    return next(filter(None, lines), "").removeprefix(f"{rig.QEMU}: ")


def refusal(device: str = "/dev/kvm", accel: Sequence[str] = rig.ON_KVM,
            seconds: float = SECONDS) -> str:
    """Boot L1 on this machine's KVM. Return "" if it is up within SECONDS and can have
    guests of its own; else one sentence that says why not."""
    if not os.path.exists(device):
        return f"this machine has no {device}"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"this user may not open {device}"
    boot = rig.Boot("hardware", rig.kernel(), [rig.l1_root()], guests=True, accel=accel,
                    options=("-m", "512"))
    try:
        with boot:
            if "none" in Host(boot, seconds).run(NESTED, seconds):
                return f"{device} works, but not for guests of guests (nesting is off)"
    except rig.Failure:
        why = complaint(boot.folder / "qemu.log") or f"nothing came up within {seconds:g} s"
        return f"{device} can't boot this kernel: {why}"
    return ""
