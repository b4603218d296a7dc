# SPDX-License-Identifier: GPL-2.0
"""Guests that tell what they see, whatever hypervisor runs them."""

import dataclasses
import pathlib
import time
from collections.abc import Callable

import rig

HERE = pathlib.Path(__file__).resolve().parent


def redis_server():
    """Debian's redis-tools have the server as redis-check-rdb, which is the same program
    by another name; the package of that name would start it on this machine."""
    return rig.with_libraries("redis-check-rdb", "bin/redis-server")


def guest_initrd(libs=False, **more):
    """The load; with LIBS also its ways that need libraries, see ways.h; with MORE
    files."""
    name, guest = "pvload", HERE / "guest"
    label = "-".join((name, *more))
    sources = sorted(guest.glob("*.c"))
    if libs:
        name += "-libs"
        sources += [*sorted((guest / "libs").glob("*.c")), "-I", guest,
                    "-luring", "-lsqlite3", "-lhiredis", "-lm", "-Wl,--no-warnings"]
        more.update(redis_server())
    return rig.archive(label, {
        "proc": None, "sys": None, "dev": None, "tmp": None,
        "init": rig.guest_program(name, *sources), **more})


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


class Guest:
    """One line of a plan: a guest to boot, and what it said."""

    def __init__(self, name, line, vcpus=1, mib=256, limit=300, options=(),
                 kernel=None):
        self.name, self.line, self.vcpus = name, line, vcpus
        self.mib, self.limit, self.options = mib, limit, options
        self.kernel = kernel        # an image, if not the one of this boot
        self.reads = None           # a second, if not as many as the boot's
        self.before = ""
        self.said = {}              # the last value of each key
        self.heard = []             # all of them, (key, value), in their order
        self.console = ""
        self.trouble = []

    def get(self, key, default=None):
        return self.said.get(key, default)

    def all(self, key):
        return [value for k, value in self.heard if k == key]

    def counter(self, name):
        return int(self.get(f"counter.{name}", 0))

    @property
    def done(self):
        return self.get("done") == 1


@dataclasses.dataclass
class Plan:
    """A boot of a host with GUESTS: what a scenario yields. HOW is for the function
    BOOT; of that, PER_GUEST names what a guest may have of its own, and where."""

    boot: Callable
    guests: list[Guest]
    how: dict
    per_guest: dict[str, str]
    host_clean: bool = True     # its consoles must be
    emulator: str = ""          # how the emulator failed, if it did

    def run(self, folder: str) -> list[str]:
        """Do it. Return what is wrong on the consoles of the host."""
        try:
            return self.boot(folder, self.guests, **self.how)
        finally:
            self.emulator = rig.emulators_own(*(
                path.read_text(errors="replace") if path.exists() else ""
                for path in (rig.BUILD / "run" / folder / name
                             for name in ("console", "qemu.log"))))


def together(plans: list[Plan]) -> Plan:
    """The guests of all PLANS in one boot. Where these differ in how, each guest keeps
    its own; a host, there is one for all."""
    how = {}
    for key in dict.fromkeys(key for plan in plans for key in plan.how):
        values = [plan.how.get(key) for plan in plans]
        if all(value == values[0] for value in values):
            how[key] = values[0]
            continue
        where = plans[0].per_guest.get(key)
        if not where:
            how[key] = next(value for value in values if value is not None)
            continue
        for plan, value in zip(plans, values):
            for guest in plan.guests:
                if getattr(guest, where) is None:
                    setattr(guest, where, value)
    return Plan(plans[0].boot, [g for plan in plans for g in plan.guests], how,
                plans[0].per_guest, host_clean=False)


def follow(boot, guests, disk, reads, limit):
    """Collect what GUESTS say while BOOT runs, for LIMIT seconds at most.

    DISK, where the host keeps their memory, gives READS reads a second while a
    guest walks its memory, and as many as it can while it fills and verifies it. In
    the phase "starve" it gives next to none: who touches a missing page then, waits.
    """
    by_name = {g.name: g for g in guests}
    current, done, began = None, 0, time.monotonic()
    for line in boot.lines(limit):
        key, _, value = line.partition(" ")
        if current and value:
            current.heard.append((key, number(value)))
        if key == "run":
            current = by_name[value]
            done += 1
            rig.say(f"guest {done} of {len(guests)}: {current.name}, "
                    f"{current.vcpus} vCPU, {time.monotonic() - began:.0f} s "
                    "since the start")
        elif key == "phase":
            rate = {"walk": current.reads or reads, "starve": 1}.get(value, 0)
            boot.qmp("block_set_io_throttle", device=disk, bps=0, bps_rd=0, bps_wr=0,
                     iops=0, iops_rd=rate, iops_wr=0)
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
        text = rest.partition(end)[0]
        if found:
            guest.console = text
            guest.trouble = rig.trouble(text)
            console = console.replace(begin + text, "")
    return rig.trouble(console)
