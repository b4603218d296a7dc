# SPDX-License-Identifier: GPL-2.0
"""Acts on a KVM guest while it runs: it is saved, moved, squeezed, lied to."""

import random
import time
from collections.abc import Callable

from agent import Job
from kvm import ANSWERS, GROUP, KVM, L2

# QEMU's children write the state. It must not count as the group's memory.
OUTSIDE = "exec:echo 0 >/cg/cgroup.procs; cat"

POSTCOPY = [{"capability": "postcopy-ram", "state": True}]


def asleep(guest: L2) -> int:
    """How many of its tasks slept when it last reported that (load.sample)."""
    return int(str(guest.get("asleep", 0)).split(maxsplit=1)[0])


def restore(guest: L2, many: int = 0, cpu: str = "", high: str = "",
            loaded: Callable[[], None] = lambda: None) -> None:
    """Save the guest, end its QEMU, restore it into a new one. Before that the disk stands
    still until MANY tasks sleep, 40 s at most, so that they are saved asleep. The disk goes
    on two seconds later, because QEMU itself may need it. The new one has this CPU, if it is
    to be another, and may have this much memory, HIGH. When all of it is there LOADED is
    called, and it goes on."""
    def let_go() -> None:
        guest.pause(2)
        guest.tell("phase", "save")

    old = guest.qemu
    old.connect()
    guest.tell("phase", "starve")
    guest.pause(1)
    guest.until(lambda: asleep(guest) >= many, 40)
    old.qmp("stop", sent=let_go)
    old.qmp("migrate", uri=f"{OUTSIDE} >/tmp/state")
    while old.qmp("query-migrate").get("status") != "completed":
        guest.pause(0.3)
    old.job.kill(15)
    old.job.wait()
    guest.cpu = cpu or guest.cpu
    if high:
        guest.host.write(f"{GROUP}/memory.high", high)
    guest.boot("-incoming", f"{OUTSIDE} /tmp/state")
    while guest.qemu.qmp("query-status")["status"] == "inmigrate":
        guest.pause(0.3)
    loaded()
    guest.tell("moved", time.monotonic())
    while guest.qemu.qmp("query-status")["status"] != "running":
        guest.qemu.qmp("cont")
        guest.pause(0.3)
    guest.host.run("rm /tmp/state")
    guest.tell("phase", "walk")


def restore_often(guest: L2, rounds: int, many: int, more: int = 0, nmis: int = 0) -> None:
    """Restore it so often. Each time: wait until MANY tasks sleep, send so many NMIs to each
    vCPU as fast as the monitor takes them, and stop the disk until MORE tasks sleep."""
    guest.walk()
    since = 0
    for done in range(1, rounds + 1):
        guest.qemu.connect()
        guest.until(lambda since=since: any(
            key == "asleep" and int(said.split()[0]) >= many
            for key, said in guest.heard[since:]))
        if nmis:
            guest.qemu.qmp("inject-nmi", times=nmis)
        if ("phase", "verify") in guest.heard:
            break
        restore(guest, more)
        since = len(guest.heard)
        guest.tell("restored", done)


def postcopy(guest: L2, kbytes: int, meanwhile: Callable[[Job], None] | None = None) -> None:
    """Move the guest to another QEMU over a channel of so many KBYTES a second. The buffers
    are small, because each page waits until those before it are sent. While it is under way
    call MEANWHILE with the channel."""
    guest.walk()
    guest.host.write("/proc/sys/net/core/wmem_default", 8192)
    guest.host.run("rm -f /tmp/from-a /tmp/to-b")
    old = guest.qemu
    guest.boot("-incoming", "defer")
    guest.qemu.qmp("migrate-set-capabilities", capabilities=POSTCOPY)
    guest.qemu.qmp("migrate-incoming", uri="unix:/tmp/to-b")
    relay = guest.host.spawn(f"relay {kbytes} /tmp/from-a /tmp/to-b")
    while guest.host.spawn("[ -S /tmp/from-a ]").wait():
        guest.pause(0.2)
    old.qmp("migrate-set-capabilities", capabilities=POSTCOPY)
    old.qmp("migrate", uri="unix:/tmp/from-a")
    guest.pause(1)
    old.qmp("migrate-start-postcopy")
    guest.tell("moved", time.monotonic())
    if meanwhile:
        meanwhile(relay)
    guest.until(lambda: relay.status is not None)
    guest.tell("postcopy_end", time.monotonic())
    old.job.kill(15)
    old.job.wait()


def until_done(guest: L2, alone: float) -> float | None:
    """Seconds from the last tick (load.tick) before a restore, or a move by post-copy, to the
    one with so many more seconds' worth of computing ALONE done; None if that was never
    reached. A tick may itself wait for a page."""
    work = alone * guest.get("compute_alone", 0)
    last, began = None, ()
    for key, value in guest.heard:
        if key == "moved":
            began = last
        if key == "tick":
            last = tuple(map(int, value.split()))
            if began and last[1] >= began[1] + work:
                return (last[0] - began[0]) / 1000
    return None


def reclaim(guest: L2, amount: str) -> None:
    """Take so much of the guest's memory, in several attempts, because the kernel gives up
    early if its disk is slow."""
    guest.host.spawn(f"echo {amount} >{GROUP}/memory.reclaim").wait()


def squeeze(guest: L2, times: int, look: Callable[[], None] = lambda: None) -> None:
    """So many times, when the guest asks for it, take all memory that can be taken, and
    let the guest go on. LOOK is called when it asks, and just before it goes on."""
    guest.boot()
    for done in range(times):
        guest.until(lambda done=done: guest.all("phase").count("squeeze") > done)
        look()
        for _ in range(5):
            reclaim(guest, "1G")
            guest.pause(1)
        now, swap = (guest.host.read(f"{GROUP}/memory.{which}current").strip()
                     for which in ("", "swap."))
        guest.tell("squeezed", f"{now} {swap}")
        guest.tell("phase", "walk")
        look()
        guest.host.write(ANSWERS, "go")


def soak(guest: L2, seed: int, seconds: float) -> None:
    """Do one thing after the other to it, chosen at random, for so long; then let it
    verify and end."""
    def stop() -> None:
        guest.qemu.qmp("stop")
        guest.pause(2)
        guest.qemu.qmp("cont")

    acts = (lambda: restore(guest), lambda: guest.qemu.qmp("inject-nmi", times=10), stop,
            lambda: reclaim(guest, "30M"))
    dice, done = random.Random(seed), 0
    guest.walk()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        dice.choice(acts)()
        done += 1
        guest.pause(dice.randint(1, 10))
    guest.tell("acts", done)
    guest.host.write(ANSWERS, "enough")


def press_and_lose(guest: L2, amount: str) -> None:
    """Take its memory while it walks; after that KVM loses no more interrupts."""
    guest.walk()
    while not guest.until_phase("verify", 0.5):
        reclaim(guest, amount)
    guest.host.write(f"{KVM}/lose_interrupt", 0)


def lie(guest: L2) -> None:
    """Let KVM lie to it until it verifies its memory."""
    def lied() -> list[int]:
        return [int(n) for n in guest.host.read(f"{KVM}/lied").split(",")]

    before = lied()
    guest.boot()
    try:
        guest.until_phase("verify")
    finally:
        guest.host.write(f"{KVM}/lie", 0)
        guest.tell("lied", ",".join(str(b - a) for a, b in zip(before, lied())))


def quit_when_done(guest: L2) -> None:
    """Wait for its end. Its QEMU ends when it is done; a reset doesn't end QEMU."""
    guest.boot()
    guest.until(lambda: guest.done)
    guest.qemu.job.kill(15)
