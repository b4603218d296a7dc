# SPDX-License-Identifier: GPL-2.0
"""Xen guests that the pager pages."""

import rig
import xen
from checks import READS, USUAL, check_guest, side_by_side
from guests import guest_initrd
from registry import scenario, show_sabotages
from xen import HVM, PAGER, DomU, check_paged, domu, held
from xenguests import (FORGOTTEN, check_not_saved, forgotten, relieve, save_early,
                       withdrawing)

# A block of memory hotplug, in pages.
BLOCK = (128 << 20) // 4096
# Without this parameter Linux unplugs an HVM guest's emulated devices in favour of PV
# devices, for which this kernel has no frontends.
UNPLUG = "xen_emul_unplug=unnecessary"


def sabotaged(name, what, line="", **more):
    """A guest with one of the usual sabotages, or none."""
    broken = f"load.sabotage={what}" if what not in ("", "off") else ""
    return domu(name, f"{broken} {line}", pager=f"{PAGER} --hold" if what == "off" else PAGER,
                **more)


@scenario(kernels=("main", "xen"), minutes=1, quick=True)
def xen_boot(v):
    """PVH guests with 1 and 2 vCPUs that nobody pages."""
    guests = [DomU(f"vcpus{n}", "load.secs=5 load.alone=2 kernelcore=128M", vcpus=n)
              for n in (1, 2)]
    yield xen.host(*guests)
    for guest in guests:
        check_guest(v, guest, asynchronous=False)
        v.check(f"{guest.name}: has pages to offer to a pager",
                guest.get("movable_pages", 0) > 10000, guest.get("movable_pages"))


@scenario(kernels=("main", "xen"), minutes=4, quick=True, sabotages=USUAL,
          shown_by="xen-sabotage")
def xen_paging(v, sabotage):
    """The main job under Xen: the same guest held by the pager (``--hold``), as Xen does
    it, and told, 1 vCPU, 100 reads/s."""
    if sabotage:
        guest = sabotaged("on", sabotage, "load.secs=3 load.alone=1",
                          limit=120 if sabotage == "hang" else 300)
        yield xen.host(guest, reads=READS)
        check_paged(v, guest)
        return

    def boot():
        off, on = domu("off", pager=f"{PAGER} --hold"), domu("on")
        yield xen.host(off, on, reads=READS)
        check_paged(v, off, told=False)
        check_paged(v, on)
        return off, on

    off, on = yield from side_by_side(v, boot)
    v.metrics.update(page_ins_off=off.get("pager.page_ins"),
                     page_ins_on=on.get("pager.page_ins"), held=held(on))


@scenario(kernels=("main", "xen"), minutes=9)
def xen_sabotage(v):
    """Each check of xen-paging and xen-ahead can fail: their sabotages, in one boot of
    Xen."""
    yield from show_sabotages(v)


@scenario(kernels=("main", "xen"), minutes=1, quick=True)
def xen_smp(v):
    """2 vCPUs, for correctness: they share one CPU with dom0."""
    guest = domu("smp", "load.secs=10 load.alone=1", vcpus=2)
    yield xen.host(guest, reads=READS)
    check_paged(v, guest)
    v.metrics.update(async_faults=guest.counter("sleep"), held=held(guest),
                     corrupt=guest.get("corrupt"),
                     worst_touch_ms=guest.get("worst_touch_ms"))


@scenario(kernels=("main", "xen"), minutes=2, also=USUAL)
def xen_hvm(v, sabotage):
    """An HVM guest, with firmware and with QEMU in dom0, 2 vCPUs."""
    guest = sabotaged("hvm", sabotage, f"load.secs=10 load.alone=1 {UNPLUG}", vcpus=2,
                      options=HVM)
    yield xen.host(guest, reads=READS)
    check_paged(v, guest)
    v.check("hvm: it is one", "paravirtualized kernel on Xen HVM" in guest.console)
    v.metrics.update(async_faults=guest.counter("sleep"), held=held(guest),
                     corrupt=guest.get("corrupt"))


def ended(v, how, line, mib=256):
    """A kernel ends while its tasks sleep, another one begins in its memory. Of an HVM
    guest: Xen 4.17's libxl can't reset a PVH guest. Return the guest."""
    guest = domu(how, f"load.secs=30 load.alone=1 {UNPLUG} {line}", mib=mib,
                 pager=f"--target {mib - 46}", vcpus=2, options=HVM, limit=450)
    yield xen.host(guest, reads=READS,
                   initrd=guest_initrd(kernel=rig.kernel(), initrd=guest_initrd()))
    v.check("the first kernel had async faults", guest.get("first.sleep", 0) > 100,
            guest.get("first.sleep"))
    v.check("tasks slept when it ended", guest.get("first.outstanding", 0) > 0,
            guest.get("first.outstanding"))
    v.metrics.update(asleep_at_end=guest.get("first.outstanding"),
                     corrupt=guest.get("corrupt"))
    return guest


@scenario(kernels=("main", "xen"), minutes=3)
def xen_kexec(v):
    """An HVM guest ends its kernel by kexec while tasks sleep; the second one begins in its
    memory, and connects, too. Not PVH: libxl 4.17 can't reset such a domain, so that its
    guests can't kexec."""
    guest = yield from ended(v, "kexec", "load.end=kexec load.second_secs=30")
    v.check("the second kernel has its CPUs", guest.get("second.cpus") == 2,
            guest.get("second.cpus"))
    check_paged(v, guest, told=False)
    v.check("both kernels connected", guest.get("pager.connects") == 2 and
            guest.get("pvfault.backend") == "xen", guest.get("pager.connects"))


@scenario(kernels=("main", "xen"), minutes=3)
def xen_kdump(v):
    """An HVM guest crashes while tasks sleep; the second kernel is one for crash dumps,
    which takes no part."""
    guest = yield from ended(v, "kdump", "load.end=crash crashkernel=96M", 256 + 96)
    first, _, guest.console = guest.console.rpartition("Linux version")
    guest.trouble = rig.trouble(guest.console)
    v.check("it crashed by request", "sysrq triggered crash" in first)
    check_paged(v, guest, told=False)
    v.check("the second kernel took no part", guest.get("pager.connects") == 1 and
            "no backend: xen: not for dom0, kdump" in guest.console,
            guest.get("pager.connects"))


@scenario(kernels=("main", "xen"), minutes=6)
def xen_lifecycle(v):
    """2 vCPUs under load: one goes offline and online; three pagers one after the other,
    each taking leave and reconnecting; a guest that had its pager since it was built is
    saved (``xl save -c``) and goes on."""
    hotplug = domu("hotplug", "load.secs=20 load.alone=1 load.hotplug=1", vcpus=2)
    pagers = 3
    reconnect = domu("reconnect", "load.secs=60 load.alone=1", vcpus=2, limit=450,
                     steps=lambda guest: relieve(guest, pagers))
    save = domu("save", "load.secs=30 load.alone=1", vcpus=2, steps=save_early)
    guests = [hotplug, reconnect, save]
    yield xen.host(*guests, reads=10 * READS)
    for guest in guests:
        check_paged(v, guest)
    v.check("hotplug: a vCPU went and came", hotplug.get("cpu_switches", 0) > 10,
            hotplug.get("cpu_switches"))
    for life in range(1, pagers + 1):
        prefix = f"pager.life{life}."
        v.check(f"reconnect: pager {life} connected, paged, and left nothing out",
                reconnect.get(f"{prefix}pager_exit") == 0 and
                reconnect.get(f"{prefix}connects", 0) >= 1 and
                reconnect.get(f"{prefix}told", 0) > 100 and
                (life == pagers or not reconnect.get(f"{prefix}pages_out")),
                [reconnect.get(prefix + k) for k in ("pager_exit", "connects", "told",
                                                     "pages_out")])
    # The frontend delays the suspend until the last page is back.
    v.check("save: it was saved", save.get("saved") == 0, save.get("saved"))
    for guest, times in ((reconnect, pagers), (save, 2)):
        active = guest.console.count("backend xen active")
        v.check(f"{guest.name}: the guest connected {times} times", active == times, active)
    v.metrics.update(cpu_switches=hotplug.get("cpu_switches"),
                     corrupt=sum(g.get("corrupt", -1) for g in guests))


@scenario(kernels=("main", "xen"), minutes=5,
          sabotages={"kept": "the driver let go and took it again"})
def xen_withdraw(v, sabotage):
    """2 vCPUs under load: the driver lets go of its device and takes it again; a block of
    memory goes offline and online; and a guest without movable memory. Sabotage "kept":
    nothing goes."""
    guests = rebind, offline, nothing = withdrawing(kept=bool(sabotage))
    yield xen.host(*guests, reads=10 * READS)
    for guest in (rebind, offline):
        check_paged(v, guest)
        v.check(f"{guest.name}: nothing was refused it",
                not guest.all("error"), guest.all("error")[:3])
    rebinds = rebind.get("rebinds", 0)
    v.check("rebind: the driver let go and took it again", rebinds >= 2, rebinds)
    v.check("rebind: nobody slept, nothing was shared between",
            set(rebind.all("outstanding_unbound")) == {0} and
            set(rebind.all("attributes_unbound")) == {0} and
            min(rebind.all("attributes") or [0]) > 5,
            [rebind.all(k) for k in ("outstanding_unbound", "attributes")])
    # The walk may have ended before the last connection.
    active = rebind.console.count("backend xen active")
    v.check("rebind: it connected each time", rebinds <= active <= rebinds + 1, active)
    v.check("offline: a block went and came", offline.get("offlines", 0) >= 1,
            [offline.get(k) for k in ("offlines", "offlines_refused")])
    v.check("offline: it was taken out of the offer meanwhile",
            offline.get("offered_less") == BLOCK,
            [offline.get(k) for k in ("offered", "offered_less")])
    check_guest(v, nothing, asynchronous=False)
    v.check("nothing: says so, and the pager waits for better",
            "no ZONE_MOVABLE to offer" in nothing.console and
            nothing.get("pager.told") == nothing.get("pager.pager_exit") == 0,
            [nothing.get(f"pager.{k}") for k in ("told", "pager_exit")])
    v.metrics.update(rebinds=rebinds, offlines=offline.get("offlines"),
                     refused=offline.get("offlines_refused"),
                     corrupt=sum(g.get("corrupt", -1) for g in guests))


@scenario(kernels=("main", "xen"), minutes=4,
          sabotages={"kept": "the guest let go of what it shared"})
def xen_forgotten(v, sabotage):
    """Under load the pager's nodes, or the guest's, vanish from XenStore: the guest goes on
    without, and refuses to be saved, because it can't learn that all pages are back; or it
    connects anew. Sabotage "kept": they stay."""
    guests = [forgotten(name, kept=bool(sabotage)) for name in FORGOTTEN]
    yield xen.host(*guests, reads=10 * READS)
    for guest, (_, times) in zip(guests, FORGOTTEN.values()):
        check_paged(v, guest)
        seen = [guest.console.count(f"backend xen {what}")
                for what in ("active", "unregistered")]
        v.check(f"{guest.name}: the guest let go of what it shared, and connected {times} "
                "times", guest.get("removed") == 0 and seen == [times, 1], seen)
    check_not_saved(v, guests[0])
    v.metrics.update(async_faults={g.name: g.counter("sleep") for g in guests},
                     corrupt=sum(g.get("corrupt", -1) for g in guests))


@scenario(kernels=("main", "xen"), minutes=13)
def xen_pressure(v):
    """Ten minutes under pressure: three quarters of the load are out at any time."""
    guest = domu("pressure", "load.secs=600 load.alone=1", pager="--target 155",
                 vcpus=2, limit=1200)
    yield xen.host(guest, reads=4 * READS)
    check_paged(v, guest)
    v.metrics.update(async_faults=guest.counter("sleep"), held=held(guest),
                     page_ins=guest.get("pager.page_ins"),
                     corrupt=guest.get("corrupt"),
                     worst_touch_ms=guest.get("worst_touch_ms"))
