# SPDX-License-Identifier: GPL-2.0
"""What each Xen scenario boots, and what must have come out of it."""

import rig
from guests import guest_initrd
from scenarios import (READS, SABOTAGES, check_guest, judge_sabotages,
                       known_sabotage, scenario, side_by_side)
from scenarios_life import one_of
from xen import HVM, DomU, run_guests

# 90 MiB of ZONE_MOVABLE, most of it for the load of 72. The guest keeps 190 MiB of
# 224 when it has filled its memory, so that some 30 of the load are out.
MIB = 224
LINE = "kernelcore=128M load.mb=72 load.settle=60"
PAGER = "--target 190"
# Of memory, in pages.
BLOCK = (128 << 20) // 4096
# This kernel has none of the frontends for which Linux takes PV devices in an HVM guest.
UNPLUG = "xen_emul_unplug=unnecessary"


def domu(name, line="", pager=PAGER, **more):
    guest = DomU(name, f"{LINE} {line}", **{"mib": MIB, "limit": 300, **more})
    guest.pager = pager
    return guest


def check_paged(v, guest, told=True):
    """What holds for every guest with a pager."""
    check_guest(v, guest, asynchronous=told)
    name = guest.name
    v.check(f"{name}: pages went out and came in",
            guest.get("pager.page_ins", 0) > 100, guest.get("pager.page_ins"))
    v.check(f"{name}: the pager ended well, without a bug of its own",
            guest.get("pager.pager_exit") == 0 and guest.get("pager.bugs") == 0,
            f"exit {guest.get('pager.pager_exit')}, {guest.get('pager.bugs')} bugs")


def held(guest):
    """Why vCPUs were held, as the pager counted."""
    prefix = "pager.held_"
    return {k.removeprefix(prefix): int(v) for k, v in guest.said.items()
            if k.startswith(prefix)}


@scenario("xen-boot")
def xen_boot(sabotage):
    """What the others stand on: PVH guests that nobody pages."""
    v = rig.Verdict("xen-boot")
    guests = [DomU(f"vcpus{n}", "load.secs=5 load.alone=2 kernelcore=128M", vcpus=n)
              for n in (1, 2)]
    trouble = run_guests("xen-boot", guests)
    v.check("the consoles of Xen and dom0 are clean", not trouble, trouble[:3])
    for guest in guests:
        check_guest(v, guest, asynchronous=False)
        v.check(f"{guest.name}: has pages to offer to a pager",
                guest.get("movable_pages", 0) > 10000, guest.get("movable_pages"))
    return v


@scenario("xen-paging")
def xen_paging(sabotage):
    """The main job under Xen: the same guest, paged as Xen does it, with its
    vCPU held at each missing page, and with pvfault."""
    known_sabotage("xen-paging", sabotage)
    v = rig.Verdict("xen-paging")

    def boot():
        off = domu("off", pager=f"{PAGER} --hold")
        on = sabotaged(sabotage)
        on.name = "on"
        v.check("the consoles of Xen and dom0 are clean",
                not run_guests("xen-paging", [off, on], reads=READS))
        check_paged(v, off, told=False)
        check_paged(v, on)
        return off, on

    off, on = side_by_side(v, boot)
    v.metrics.update(page_ins_off=off.get("pager.page_ins"),
                     page_ins_on=on.get("pager.page_ins"), held=held(on))
    return v


@scenario("xen-smp")
def xen_smp(sabotage):
    """2 vCPUs, for correctness: they share one CPU with dom0."""
    v = rig.Verdict("xen-smp")
    guest = domu("smp", "load.secs=10 load.alone=1", vcpus=2)
    v.check("the consoles of Xen and dom0 are clean",
            not run_guests("xen-smp", [guest], reads=READS))
    check_paged(v, guest)
    v.metrics.update(async_faults=guest.counter("sleep"), held=held(guest),
                     corrupt=guest.get("corrupt"),
                     worst_touch_ms=guest.get("worst_touch_ms"))
    return v


@scenario("xen-hvm")
def xen_hvm(sabotage):
    """An HVM guest, with firmware and with QEMU in dom0, 2 vCPUs."""
    known_sabotage("xen-hvm", sabotage)
    v = rig.Verdict("xen-hvm")
    guest = sabotaged(sabotage)
    guest.name, guest.vcpus, guest.options = "hvm", 2, HVM
    guest.line += f" load.secs=10 load.alone=1 {UNPLUG}"
    v.check("the consoles of Xen and dom0 are clean",
            not run_guests("xen-hvm", [guest], reads=READS))
    check_paged(v, guest)
    v.check("hvm: it is one", "paravirtualized kernel on Xen HVM" in guest.console)
    v.metrics.update(async_faults=guest.counter("sleep"), held=held(guest),
                     corrupt=guest.get("corrupt"))
    return v


def ended(how, line=""):
    """A kernel ends while its tasks sleep, another one begins in its memory. Of an HVM
    guest: Xen 4.17's libxl can't reset a PVH guest."""
    v = rig.Verdict(f"xen-{how}")
    guest = domu(how, f"load.secs=30 load.alone=1 {UNPLUG} {line}", mib=256,
                 pager="--target 210", vcpus=2, options=HVM, limit=450)
    v.check("the consoles of Xen and dom0 are clean", not run_guests(
        f"xen-{how}", [guest], reads=READS,
        initrd=guest_initrd(kernel=rig.kernel(), initrd=guest_initrd())))
    v.check("the first kernel had async faults", guest.get("first.sleep", 0) > 100,
            guest.get("first.sleep"))
    v.check("tasks slept when it ended", guest.get("first.outstanding", 0) > 0,
            guest.get("first.outstanding"))
    v.metrics.update(asleep_at_end=guest.get("first.outstanding"),
                     corrupt=guest.get("corrupt"))
    return v, guest


@scenario("xen-kexec")
def xen_kexec(sabotage):
    """The second kernel connects, too."""
    v, guest = ended("kexec", "load.end=kexec load.second_secs=30")
    v.check("the second kernel has its CPUs", guest.get("second.cpus") == 2,
            guest.get("second.cpus"))
    check_paged(v, guest, told=False)
    v.check("both kernels connected", guest.get("pager.connects") == 2 and
            guest.get("pvfault.backend") == "xen", guest.get("pager.connects"))
    return v


@scenario("xen-kdump")
def xen_kdump(sabotage):
    """The second kernel is one for crash dumps, which takes no part."""
    v, guest = ended("kdump", "load.end=crash crashkernel=96M")
    first, _, guest.console = guest.console.rpartition("Linux version")
    guest.trouble = rig.trouble(guest.console)
    v.check("it crashed by request", "sysrq triggered crash" in first)
    check_paged(v, guest, told=False)
    v.check("the second kernel took no part", guest.get("pager.connects") == 1 and
            "no backend: xen: not for dom0, kdump" in guest.console,
            guest.get("pager.connects"))
    return v


@scenario("xen-lifecycle")
def xen_lifecycle(sabotage):
    """Under load a vCPU goes offline and online, pagers come and go, and a
    guest that had its pager since it was built is saved and goes on."""
    v = rig.Verdict("xen-lifecycle")
    hotplug = domu("hotplug", "load.secs=20 load.alone=1 load.hotplug=1", vcpus=2)
    reconnect = domu("reconnect", "load.secs=60 load.alone=1", vcpus=2, limit=450)
    reconnect.lives = 3
    save = domu("save", "load.secs=30 load.alone=1", vcpus=2)
    save.early = True
    save.at_walk = "sleep 5; save /tmp/save; rm /tmp/save"
    guests = [hotplug, reconnect, save]
    v.check("the consoles of Xen and dom0 are clean",
            not run_guests("xen-lifecycle", guests, reads=10 * READS))
    for guest in guests:
        check_paged(v, guest)
    v.check("hotplug: a vCPU went and came", hotplug.get("cpu_switches", 0) > 10,
            hotplug.get("cpu_switches"))
    for life in range(1, reconnect.lives + 1):
        prefix = f"pager.life{life}."
        v.check(f"reconnect: pager {life} connected, paged, and left nothing out",
                reconnect.get(f"{prefix}pager_exit") == 0 and
                reconnect.get(f"{prefix}connects", 0) >= 1 and
                reconnect.get(f"{prefix}told", 0) > 100 and
                (life == reconnect.lives or not reconnect.get(f"{prefix}pages_out")),
                [reconnect.get(prefix + k) for k in ("pager_exit", "connects", "told",
                                                     "pages_out")])
    # The frontend waits with its suspending until the last page is back.
    v.check("save: it was saved", save.get("saved") == 0, save.get("saved"))
    for guest, times in ((reconnect, reconnect.lives), (save, 2)):
        active = guest.console.count("backend xen active")
        v.check(f"{guest.name}: the guest connected {times} times", active == times, active)
    v.metrics.update(cpu_switches=hotplug.get("cpu_switches"),
                     corrupt=sum(g.get("corrupt", -1) for g in guests))
    return v


def withdrawing(sabotage):
    """Guests whose driver lets go of the device, whose memory goes offline, and one that
    never had anything to give."""
    does = int(not one_of("xen-withdraw", sabotage, "kept"))
    rebind = domu("rebind", f"load.secs=40 load.alone=1 load.rebind={does}", vcpus=2)
    # Of three blocks of movable memory the load takes one, so that another can go.
    # The guest gives up after 30 seconds, and tries again.
    offline = domu("offline", "load.secs=60 load.alone=1 load.mb=150 "
                   f"load.offline={3 * does}", mib=512, pager="--target 250", vcpus=2)
    nothing = DomU("nothing", "load.mb=72 load.secs=3 load.alone=1", mib=MIB)
    nothing.pager = PAGER
    return rebind, offline, nothing


@scenario("xen-withdraw")
def xen_withdraw(sabotage):
    """Under load a guest takes back what it has given the pager. Sabotage "kept": it
    doesn't."""
    v = rig.Verdict("xen-withdraw")
    guests = rebind, offline, nothing = withdrawing(sabotage)
    v.check("the consoles of Xen and dom0 are clean", not run_guests(
        "xen-withdraw", guests, reads=10 * READS))
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
    # Of the last time the walk may not have seen the end.
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
    return v


def check_not_saved(v, guest):
    v.check(f"{guest.name}: it was not saved, and said why",
            guest.get("saved") not in (0, None) and
            "hasn't brought all pages back: not suspended" in guest.console,
            guest.get("saved"))


# What XenStore forgets of the device of a guest, and how often the guest connects then.
FORGOTTEN = {
    # The pager's nodes: it can't be found any more. Another one makes them again.
    "backend": ("/local/domain/0/backend/pvfault/$id", 1),
    # The guest's, as if it were unplugged: the pager plugs it in again.
    "device": ("/local/domain/$id/device/pvfault", 2),
}


def forgotten(name, sabotage=""):
    guest = domu(name, f"load.secs={90 if name == 'backend' else 25} load.alone=1", vcpus=2)
    forget = "true" if sabotage else "xenstore-rm"
    guest.at_walk = (f'sleep 8; id=$(xl domid $name); {forget} {FORGOTTEN[name][0]}; '
                     'tell "removed $?"')
    if name == "backend":
        guest.at_walk += "; sleep 2; save /tmp/save; rm /tmp/save"
    return guest


@scenario("xen-forgotten")
def xen_forgotten(sabotage):
    """Under load the nodes of one end of the device vanish from XenStore. Of the pager
    the guest can't learn then that all pages are back, so it must not be saved. Sabotage
    "kept": they don't."""
    one_of("xen-forgotten", sabotage, "kept")
    v = rig.Verdict("xen-forgotten")
    guests = [forgotten(name, sabotage) for name in FORGOTTEN]
    v.check("the consoles of Xen and dom0 are clean", not run_guests(
        "xen-forgotten", guests, reads=10 * READS))
    for guest in guests:
        name, times = guest.name, FORGOTTEN[guest.name][1]
        check_paged(v, guest)
        seen = [guest.console.count(f"backend xen {what}")
                for what in ("active", "unregistered")]
        v.check(f"{name}: the guest let go of what it shared, and connected {times} times",
                guest.get("removed") == 0 and seen == [times, 1], seen)
    check_not_saved(v, guests[0])
    v.metrics.update(async_faults={g.name: g.counter("sleep") for g in guests},
                     corrupt=sum(g.get("corrupt", -1) for g in guests))
    return v


def sabotaged(what):
    if what == "off":
        return domu(what, pager=f"{PAGER} --hold")
    return domu(what, f"load.sabotage={what}" if what else "")


@scenario("xen-sabotage")
def xen_sabotage(sabotage):
    """Each check of xen-paging can fail: sabotage them one by one, in one boot."""
    guests = [sabotaged(what) for what in SABOTAGES]
    for guest in guests:
        guest.line += " load.secs=3 load.alone=1"
        guest.limit = 120 if guest.name == "hang" else 300
    run_guests("xen-sabotage", guests, reads=READS)
    return judge_sabotages(rig.Verdict("xen-sabotage"), guests, check_paged)


@scenario("xen-pressure")
def xen_pressure(sabotage):
    """Ten minutes under pressure: three quarters of the load are out at any time."""
    v = rig.Verdict("xen-pressure")
    guest = domu("pressure", "load.secs=600 load.alone=1", pager="--target 155",
                 vcpus=2, limit=1200)
    v.check("the consoles of Xen and dom0 are clean",
            not run_guests("xen-pressure", [guest], reads=4 * READS))
    check_paged(v, guest)
    v.metrics.update(async_faults=guest.counter("sleep"), held=held(guest),
                     page_ins=guest.get("pager.page_ins"),
                     corrupt=guest.get("corrupt"),
                     worst_touch_ms=guest.get("worst_touch_ms"))
    return v
