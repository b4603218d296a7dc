# SPDX-License-Identifier: GPL-2.0
"""xen-depth: pages that the pager brings back in a second, beside what its disk gives at the
same depth. The disk is null_blk in dom0's memory, with 8 ms a read. So many tasks of a guest
wait for a page each; nothing is taken away meanwhile."""

import pathlib
import re

import report
import rig
from kvm import slow_disk
from xen import counters, domu, run_guests

HERE = pathlib.Path(__file__).resolve().parent
DEPTHS = (1, 4, 16, 32)
DISK_MS = 8
SECS = 10       # measured
MIB = 24        # walked by all tasks together
PAGES = MIB * 256
FULL = 0.95     # of the one processor


def cpu_seconds(host):
    """What dom0, and all domains together, have had of the processor, and when that was."""
    listed = host.run("cat /proc/uptime; xl list")
    times = {m[1]: float(m[2]) for m in
             re.finditer(r"^(\S+) +\d+ +\d+ +\d+ +\S+ +([\d.]+)$", listed, re.M)}
    return times["Domain-0"], sum(times.values()), float(listed.split()[0])


def take_all(guest):
    """Take all that the guest offers, while it is paused; from then on it may have it all
    again, and gets a page when it touches it."""
    def away():
        """0 as long as there is no pager."""
        said = guest.host.run(f"pvfault-pager --status --domain {guest.name} || true")
        return counters(said).get("away", 0)

    while not away():
        guest.pause(1)
    guest.host.run(f"xl pause {guest.name}")
    before = 0
    while (now := away()) > before:
        before = now
        guest.pause(5)
    guest.host.run(f"xenstore-write {guest.node()}/memory/pvfault-target 1073741824; sleep 1; "
                   f"xl unpause {guest.name}")


def measure(guest, tasks):
    """First the disk alone, then the pager."""
    host = guest.host
    host.run("[ -e /pages/own ] || dd if=/dev/urandom of=/pages/own bs=65536 count=512")
    guest.tell("disk_rate", float(host.run(f"rate /pages/own {tasks} {SECS}")))
    guest.boot()
    take_all(guest)
    guest.until_phase("walk")
    guest.pause(2)
    before, paged = cpu_seconds(host), guest.pager_status()
    guest.pause(SECS)
    after, now = cpu_seconds(host), guest.pager_status()
    seconds = after[2] - before[2]
    for key, value in {
            "rate": (now["page_ins"] - paged["page_ins"]) / seconds,
            "page_ins": now["page_ins"], "evictions": now["evictions"] - paged["evictions"],
            "dom0": (after[0] - before[0]) / seconds,
            "cpu": (after[1] - before[1]) / seconds}.items():
        guest.tell(f"measured.{key}", value)
    guest.go_on()


def depth(v):
    rig.say("xen-depth: a boot of Xen with 4 guests, 14 minutes, and 5 more, cold, for building "
            "kernel and hypervisor")
    rig.run(rig.ROOT / "scripts/kernel.sh", "pvfault", "main")
    rig.run(rig.ROOT / "scripts/xen.sh")
    program = rig.compiled("rate", "-Wall", "-static", "-s", HERE / "guest/rate.c", "-luring")
    guests = {n: domu(f"depth{n}", f"load.tasks={n} load.computers=0 load.mb={MIB} load.alone=1 "
                      "load.secs=1 load.told=hvc0", "--target 120", mib=176, limit=900,
                      steps=lambda g, n=n: measure(g, n))
              for n in DEPTHS}
    run_guests("xen-depth", guests.values(), reads=0, files={"bin/rate": program},
               dom0_line=slow_disk(DISK_MS))
    full = None
    for n, g in guests.items():
        get = {key: g.get(f"measured.{key}", 0)
               for key in ("rate", "page_ins", "evictions", "dom0", "cpu")}
        v.check(f"{g.name}: ended, memory verified", g.done and g.get("corrupt") == 0,
                g.get("corrupt"))
        v.check(f"{g.name}: pages were out to the end, and none were taken meanwhile",
                0 < get["page_ins"] < 0.9 * PAGES and not get["evictions"], get)
        disk = g.get("disk_rate", 0)
        ratio = get["rate"] / disk if disk else 0
        v.metrics[g.name] = {"disk": disk, **{k: round(x, 3) for k, x in get.items()},
                             "ratio": round(ratio, 3)}
        below = get["cpu"] < FULL and full is None
        if not below and full is None:
            full = n
        report.note(v, f"page-ins, {n} at a time", "a second", False,
                    "0.8 of the disk's" if below else "", ratio >= 0.8,
                    off=[disk], pvfault=[get["rate"]])
    v.metrics["cpu_full_at_depth"] = full
