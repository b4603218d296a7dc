# SPDX-License-Identifier: GPL-2.0
"""KVM scenarios: L1 is a real KVM host that swaps its guest, L2."""

import pathlib
import time

import rig

HERE = pathlib.Path(__file__).resolve().parent
SWAP_MIB = 1024
L1_MIB = 1536
# One CPU: on two, QEMU 7.2's multi-threaded TCG loses its way in nested SVM.
# See Documentation/virt/pvfault/testing.rst.
L1_CPUS = 1


def guest_initrd():
    program = rig.guest_program("pvload", *sorted((HERE / "guest").glob("*.c")))
    return rig.archive("l2", {"proc": None, "sys": None, "dev": None,
                              "init": program})


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


class Guest:
    """One line of a plan: a guest to boot, and what it said."""

    def __init__(self, name, line, vcpus=1, mib=256, limit=150, options=(),
                 kernel=None):
        self.name, self.line, self.vcpus = name, line, vcpus
        self.mib, self.limit, self.options = mib, limit, options
        self.kernel = kernel        # an image, if not the one of this boot
        self.before = ""
        self.said = {}
        self.console = ""
        self.trouble = []

    def script(self):
        kernel = f"/l2-kernel-{self.name}" if self.kernel else "/l2-kernel"
        return (f"{self.before}\nl2_kernel={kernel}\nl2 {self.name} {self.limit} {self.vcpus} {self.mib} "
                f"'{self.line}' {' '.join(self.options)}\n")

    def get(self, key, default=None):
        return self.said.get(key, default)

    def counter(self, name):
        return int(self.get(f"counter.{name}", 0))

    @property
    def done(self):
        return self.get("done") == 1


def run_guests(folder, guests, memory="150M", reads=100, l1_kernel=None,
               l2_kernel=None, l1_line="", l1_setup=""):
    """Boot L1, let it run GUESTS one after the other, collect what they say.

    The swap disk gives READS reads a second while a guest walks its memory,
    and as many as it can while it fills and verifies it.
    """
    script = f"{l1_setup}\nswap_on {memory}\n" + "".join(g.script() for g in guests)
    parts = [rig.l1_root(),
             rig.archive(f"{folder}-l2", {
                 "scenario.sh": script,
                 "l2-kernel": l2_kernel or rig.kernel(),
                 **{f"l2-kernel-{g.name}": g.kernel for g in guests if g.kernel},
                 "l2-initrd": guest_initrd()})]
    swap = rig.BUILD / "run" / folder / "swap"
    swap.parent.mkdir(parents=True, exist_ok=True)
    with open(swap, "wb") as f:
        f.truncate(SWAP_MIB << 20)
    by_name = {g.name: g for g in guests}
    current, done, began = None, 0, time.monotonic()

    with rig.Boot(folder, l1_kernel or rig.kernel(), parts,
                  append=f"tsc_early_khz={rig.tsc_khz()} {l1_line}",
                  options=(*rig.smp(L1_CPUS), "-m", str(L1_MIB),
                           "-drive", "if=none,id=swap,format=raw,file=swap,"
                           "cache=unsafe", "-device",
                           "virtio-blk-pci,drive=swap")) as boot:
        for line in boot.lines(60 + sum(g.limit + 10 for g in guests)):
            key, _, value = line.partition(" ")
            if key == "run":
                current = by_name[value]
                done += 1
                rig.say(f"guest {done} of {len(guests)}: {current.name}, "
                        f"{current.vcpus} vCPU, {time.monotonic() - began:.0f} s "
                        "since the start")
            elif key == "phase":
                limit = reads if value == "walk" else 0
                boot.qmp("block_set_io_throttle", device="swap", bps=0, bps_rd=0,
                         bps_wr=0, iops=0, iops_rd=limit, iops_wr=0)
            elif key == "exit":
                current.said["exit"] = number(value)
                current = None
            elif current and value:
                current.said[key] = number(value)
        return share_out_trouble(boot.text(), guests)


def share_out_trouble(console, guests):
    """Give each guest the trouble on its console; return that of the host."""
    for guest in guests:
        begin, end = (f"=== {what} of {guest.name}\n" for what in ("console", "end"))
        _, found, rest = console.partition(begin)
        text, _, after = rest.partition(end)
        if found:
            guest.console = text
            guest.trouble = rig.trouble(text)
            console = console.replace(begin + text, "")
    return rig.trouble(console)
