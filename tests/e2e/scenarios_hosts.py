# SPDX-License-Identifier: GPL-2.0
"""KVM hosts as people have them: memory limits, CPU models, restores that forget."""

import os

import kvm
import rig
from checks import READS, check_guest
from kvm import ANSWERS, GROUP, L2
from registry import scenario

LRU = "/sys/kernel/mm/lru_gen/enabled"
KINDS = {"off": "pvfault=off", "user": "pvfault=user", "kernel": "pvfault=kernel", "stock": ""}


def filling(kind, turn, lru, swap):
    """A guest that fills more memory than its group may have."""
    def fill(guest):
        guest.host.write(LRU, lru)
        guest.host.write(f"{GROUP}/memory.swap.max", swap)
        guest.boot()

    return L2(f"{kind}{turn}", f"{KINDS[kind]} load.mb=160 load.secs=1 load.alone=1", mib=300,
              limit=900, steps=fill,
              kernel=rig.kernel("stock/main") if kind == "stock" else None)


@scenario(kernels=("main", "stock/main"), minutes=5,
          sabotages={"no-swap": "the host has ended no guest of its kind"})
def kvm_oom(v, sabotage):
    """Guests of each kind, and of stock Linux, in turns, fill 160 MiB under a memory.max of
    150 MiB (``OOM_ROUNDS=`` of each, 2). The host's OOM killer must end none.
    ``OOM_LRU=classic``: a host without the multi-generational LRU, which may end any guest,
    see admin.rst; nothing is checked then, only counted. Sabotage "no-swap": the host has
    no swap for them."""
    classic = os.environ.get("OOM_LRU") == "classic"
    rounds = 1 if sabotage else int(os.environ.get("OOM_ROUNDS", 2))
    kinds = list(KINDS)
    guests = [filling(kinds[(turn + i) % len(kinds)], turn, "n" if classic else "y",
                      "0" if sabotage else "max")
              for turn in range(rounds) for i in range(len(kinds))]
    yield kvm.host(*guests, reads=4 * READS, clean=not (classic or sabotage))
    for kind in KINDS:
        mine = [guest for guest in guests if guest.name.startswith(kind)]
        ended = sum(guest.get("oom_kills", 1) > 0 for guest in mine)
        v.metrics[f"ended_{kind}"] = f"{ended} of {len(mine)}"
        if not classic:
            v.check(f"{kind}: the host has ended no guest of its kind", not ended, ended)
            v.check(f"{kind}: all came to their end, memory verified",
                    all(guest.done and guest.get("corrupt") == 0 for guest in mine))


@scenario(minutes=1, quick=True)
def kvm_devices(v):
    """The usual devices: a balloon with free page reporting, which takes half of the memory
    and gives it back while the memory is walked; a network card; a disk."""
    mib = 256

    def inflate(guest):
        guest.walk(2)
        for size in (mib // 2, mib):
            guest.qemu.qmp("balloon", value=size << 20)
            guest.until(lambda size=size:
                        guest.qemu.qmp("query-balloon")["actual"] == size << 20)
            guest.tell("balloon_mib", guest.qemu.qmp("query-balloon")["actual"] >> 20)
        guest.host.write(ANSWERS, "enough")

    guest = L2("devices", "load.mb=64 load.secs=5 load.told=ttyS1 load.alone=1", mib=mib,
               steps=inflate)
    guest.devices, guest.memory = ("balloon", "net", "disk"), "80M"
    yield kvm.host(guest, reads=4 * READS)
    check_guest(v, guest)
    v.check("devices: the balloon took half of its memory, and gave it back",
            guest.all("balloon_mib") == [mib // 2, mib], guest.all("balloon_mib"))
    found = set(guest.all("virtio"))
    v.check("devices: it has a driver for each", found >= {f"virtio_{name}" for name in (
        "balloon", "net", "blk")}, sorted(found))


@scenario(minutes=1, quick=True)
def kvm_model(v):
    """A named CPU model: QEMU gives it no READY by interrupt, and the boot line names the
    property that would. With that property the guest has async faults."""
    without, has = L2("without", "load.mb=16 load.secs=1 load.alone=1"), \
        L2("with", "load.secs=5 load.alone=1")
    without.cpu = "EPYC-v1,-xsave,-kvm-pv-eoi"
    has.cpu = f"{without.cpu},kvm-asyncpf-int=on"
    yield kvm.host(without, has, reads=4 * READS)
    said = "pvfault: no backend: this CPU model of QEMU's lacks kvm-asyncpf-int=on"
    v.check("without: the boot line names the remedy, once",
            without.console.count(said) == 1, without.console.count(said))
    check_guest(v, without, asynchronous=False)
    check_guest(v, has)
