# SPDX-License-Identifier: GPL-2.0
"""Guests that report what they see, under any hypervisor."""

import dataclasses
import math
import pathlib
import time
from collections.abc import Callable, Sequence

import rig
from agent import Host

HERE = pathlib.Path(__file__).resolve().parent


def redis_server():
    """The redis server. Debian's redis-tools have it under the name redis-check-rdb;
    the package redis-server would start a server on this machine."""
    return rig.with_libraries("redis-check-rdb", "bin/redis-server")


def guest_initrd(libs=False, bits=64, **more):
    """The load, of so many BITS. With LIBS it also has the ways that need libraries, see
    ways.h; MORE files can be added."""
    name, guest = "pvload", HERE / "guest"
    label = "-".join((name, *more)).replace("/", "-")[:60]
    sources = sorted(guest.glob("*.c"))
    if libs:
        name += "-libs"
        sources += [*sorted((guest / "libs").glob("*.c")), "-I", guest,
                    "-luring", "-lsqlite3", "-lhiredis", "-lm", "-Wl,--no-warnings"]
        more.update(redis_server())
    return rig.archive(label, {
        "proc": None, "sys": None, "dev": None, "tmp": None,
        "init": rig.guest_program(name, *sources, bits=bits), **more})


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


class Ended(Exception):
    """The guest has ended, or its time is over; so its steps end, too."""


class Guest:
    """A guest to boot, and what it said. STEPS boots it, and does everything else that is to
    be done to it. A subclass knows how it is prepared and booted, whether it is alive, and
    what to do at its end."""
    # pylint: disable=no-member

    def __init__(self, name, line, vcpus=1, mib=256, limit=300, options=(),
                 kernel=None, steps: Callable[["Guest"], None] | None = None):
        self.name, self.line, self.vcpus = name, line, vcpus
        self.mib, self.limit, self.options = mib, limit, options
        self.kernel = kernel        # an image, if not the one of this boot
        self.reads = None           # a second, if not as many as the boot's
        self.steps = steps
        self.said = {}              # the last value of each key
        self.heard = []             # all of them, (key, value), in their order
        self.console = ""
        self.trouble = []
        self.emulator = ""          # what of the CPUs shows that the emulator failed

    def run(self, host: Host, disk: str, reads: int) -> None:
        """Boot it on HOST, which takes its memory to DISK; return when it has ended."""
        self.host, self.disk, self.deadline = host, disk, time.monotonic() + self.limit
        if self.reads is None:
            self.reads = reads
        self.prepare()
        try:
            (self.steps or type(self).boot)(self)
            self.until(lambda: not self.alive())
        except Ended:
            pass
        self.end()

    def until(self, condition: Callable[[], bool], seconds: float = math.inf) -> bool:
        """Listen until CONDITION holds, for SECONDS at most; return whether it does."""
        left = self.deadline - time.monotonic()
        self.host.within(min(seconds, left), lambda: condition() or not self.alive())
        if condition():
            return True
        if seconds >= left or not self.alive():
            raise Ended
        return False

    def until_phase(self, phase: str, seconds: float = math.inf) -> bool:
        return self.until(lambda: ("phase", phase) in self.heard, seconds)

    def pause(self, seconds: float) -> None:
        self.until(lambda: False, seconds)

    def walk(self, seconds: float = 0) -> None:
        """Boot it and let it walk its memory for so long."""
        self.boot()
        self.until_phase("walk")
        self.pause(seconds)

    def keep(self, what: str, text: str) -> None:
        """Leave TEXT for people."""
        (self.host.boot.folder / f"{self.name}.{what}").write_text(text)

    def take_console(self, path: str) -> None:
        self.console = self.host.read(path).replace("\r", "")
        self.trouble = rig.trouble(self.console)
        self.keep("console", self.console)

    def hear(self, line: str) -> None:
        """Take in a LINE that it has written."""
        key, _, value = line.strip().partition(" ")
        if value:
            self.tell(key, number(value))

    def tell(self, key: str, value: float | str) -> None:
        """Note what it says, or what happens to it."""
        value = value if isinstance(value, str) else float(value)
        self.said[key] = value
        self.heard.append((key, value))
        self.host.last = f"{self.name} {key} {value}"
        with open(self.host.boot.results, "a") as f:
            print(self.host.last, file=f)
        if key == "phase":
            # While the guest walks its memory the disk gives so many reads a second; while
            # it fills and verifies its memory, as many as it can. In the phase "starve" it
            # gives next to none, so that each task that touches a page that is out waits.
            # In the phase "outage" it stands still, for reading and writing.
            rate = {"walk": self.reads, "starve": 1}.get(value, 0)
            self.host.boot.qmp("block_set_io_throttle", device=self.disk,
                               bps=int(value == "outage"), bps_rd=0, bps_wr=0, iops=0,
                               iops_rd=rate, iops_wr=0)

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
    """A boot of a host with GUESTS: what a scenario yields. HOW are arguments of the
    function BOOT. PER_GUEST names those of them that a guest may have for itself, and the
    attribute that holds each."""

    boot: Callable
    guests: list[Guest]
    how: dict
    per_guest: dict[str, str]
    host_clean: bool = True     # its consoles must be
    emulator: str = ""          # how the emulator failed, if it did
    trouble: Sequence[str] = () # what is wrong on the consoles of the host

    def run(self, folder: str) -> list[str]:
        """Boot. Return what is wrong on the consoles of the host."""
        try:
            self.trouble = self.boot(folder, self.guests, **self.how)
            return self.trouble
        finally:
            console, log = (path.read_text(errors="replace") if path.exists() else ""
                            for path in (rig.BUILD / "run" / folder / name
                                         for name in ("console", "qemu.log")))
            self.emulator = rig.emulators_own(
                "\n".join((console, *(guest.console for guest in self.guests))), log) or \
                next((guest.emulator for guest in self.guests if guest.emulator), "")


def together(plans: list[Plan]) -> Plan:
    """The guests of all PLANS in one boot of one host. Where the plans' HOW differ, each
    guest keeps its own."""
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


def run_in_turn(boot: rig.Boot, prepare: str, guests: Sequence[Guest], disk: str,
                reads: int) -> list[str]:
    """BOOT a host, whose shell is to PREPARE what they need, and run GUESTS on it, one after
    the other. For DISK and READS see Guest.tell(). Return what is wrong on its console."""
    with boot:
        host, began = Host(boot), time.monotonic()
        host.run(prepare)
        for nth, guest in enumerate(guests, 1):
            rig.say(f"guest {nth} of {len(guests)}: {guest.name}, {guest.vcpus} vCPU, "
                    f"{time.monotonic() - began:.0f} s since the start")
            guest.run(host, disk, reads)
    return rig.trouble(boot.text())
