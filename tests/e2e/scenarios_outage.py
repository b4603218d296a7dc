# SPDX-License-Identifier: GPL-2.0
"""A host that can't fetch anything for a while, or stops the guest: the guest should lose
what is missing, and not the rest."""

import os

import kvm
import life
from checks import READS, check_guest, least
from kvm import ANSWERS, L2, TRACING
from outage import (KINDS, LOAD, check_guests, check_ready, check_running, check_touches,
                    check_waits, in_turns, of_disk, of_kind, size, speed, standing_still)
from registry import scenario, show_sabotages
from touched import PAGE_FAULTS, check_own_code, own, tell_faults


@scenario(kernels=("main", "stock/main"), minutes=40, shown_by="outage-sabotage",
          sabotages={"stampede": "pages on their way were touched only to probe"})
def kvm_outage(v, sabotage):
    """The host's disk stands still for five minutes (``OUTAGE_S=`` seconds) under load, for
    guests of stock Linux and of pvfault in turns, three of each (``OUTAGE_PAIRS=``). A task
    computes: the vCPU goes on as with stock Linux, tasks past their deadline don't try all
    by themselves, and every task goes on afterwards. Sabotage "stampede": all sleepers
    are woken by hand twice a second."""
    seconds, pairs = size(sabotage, 300, 3)
    line = f"{LOAD} load.mb=144 load.tasks=6"
    guests = in_turns(pairs, line, of_disk, seconds)
    if sabotage:
        guests = of_kind(guests, "pvfault")
        guests[0].line += " load.ready_all=1"
    yield kvm.host(*guests, reads=4 * READS)
    check_guests(v, guests)
    for guest in of_kind(guests, "pvfault"):
        check_waits(v, guest)
        check_touches(v, guest)
        if guest.get("outage_runs", 0) * seconds > 120:
            least(v, guest, "tasks past their deadline tried", "counter.probe", 1)
    if not sabotage:
        check_running(v, guests)


def cut_channel(seconds):
    """Moved by post-copy, and the channel stands still for so long."""
    def steps(guest):
        def cut(channel):
            guest.pause(3)
            standing_still(guest, lambda: channel.kill(19), seconds,
                           lambda: channel.kill(18))

        life.postcopy(guest, 2048, cut)
        guest.host.write(ANSWERS, "enough")

    return steps


@scenario(kernels=("main", "stock/main"), minutes=12, shown_by="outage-sabotage",
          sabotages={"off": "async faults happened"})
def kvm_cut_channel(v, sabotage):
    """Moved by post-copy over a channel that stands still for two minutes (``OUTAGE_S=``
    seconds) and goes on, guests of stock Linux and of pvfault in turns, two of each
    (``OUTAGE_PAIRS=``): as kvm-outage. Sabotage "off": pvfault is
    switched off at boot."""
    seconds, pairs = size(sabotage, 120, 2)
    guests = in_turns(pairs, f"{LOAD} load.mb=64 load.tasks=6", cut_channel, seconds, mib=160)
    if sabotage:
        guests = of_kind(guests, "pvfault")
        guests[0].line += " pvfault=off"
    yield kvm.host(*guests, memory="max", reads=0)
    check_guests(v, guests)
    for guest in of_kind(guests, "pvfault"):
        check_waits(v, guest)
        check_touches(v, guest)
    if not sabotage:
        check_running(v, guests)


def frozen(by_signal):
    """Its QEMU is stopped for so long, by a signal or by its monitor. The monitor tells the
    guest's watchdogs; of a signal nothing tells them."""
    def steps(seconds):
        def stop(guest):
            guest.walk(5)
            guest.qemu.connect()
            if by_signal:
                guest.qemu.job.kill(19)
            else:
                guest.qemu.qmp("stop")
            guest.pause(seconds)
            guest.tell("stopped", 1)
            if by_signal:
                guest.qemu.job.kill(18)
            else:
                guest.qemu.qmp("cont")
            guest.pause(5)
            guest.host.write(ANSWERS, "enough")

        return stop

    return steps


def never_stopped(_):
    def steps(guest):
        guest.walk(5)
        guest.host.write(ANSWERS, "enough")

    return steps


@scenario(kernels=("main", "stock/main"), minutes=40, shown_by="outage-sabotage",
          sabotages={"running": "it was stopped"})
def kvm_frozen(v, sabotage):
    """The host stops the guest for 90 s (``FROZEN_S=``) with tasks asleep, by SIGSTOP of its
    QEMU and by the monitor's stop; guests of stock Linux and of pvfault in turns, five of
    each (``FROZEN_PAIRS=``), which panic where a task hangs, a CPU locks up or RCU stalls:
    with pvfault no more often than with stock Linux. Sabotage "running": it isn't stopped."""
    seconds = int(os.environ.get("FROZEN_S", 90))
    pairs = 1 if sabotage else int(os.environ.get("FROZEN_PAIRS", 5))
    line = (f"{LOAD} sysctl.kernel.hung_task_panic=1 sysctl.kernel.softlockup_panic=1 "
            "sysctl.kernel.panic_on_rcu_stall=1")
    guests = []
    for how in ("signal", "monitor"):
        steps = never_stopped if sabotage else frozen(how == "signal")
        for guest in in_turns(pairs, line, steps, seconds):
            guest.name += f"-{how}"
            guests.append(guest)
    if sabotage:
        guests = of_kind(guests, "pvfault")[:1]
    yield kvm.host(*guests, reads=4 * READS, clean=False)
    for how in ("signal", "monitor"):
        panics = {kind: sum(not guest.done for guest in of_kind(guests, kind)
                            if guest.name.endswith(how)) for kind in KINDS}
        v.metrics.update({f"panics_{kind}_{how}": count for kind, count in panics.items()})
        v.check(f"by {how}: no more panics than with stock Linux",
                panics["pvfault"] <= panics["stock"], panics)
    for guest in of_kind(guests, "pvfault"):
        least(v, guest, "it was stopped", "stopped", 1)
        if guest.done:
            check_guest(v, guest)
            check_ready(v, guest)


@scenario(minutes=2, shown_by="outage-sabotage",
          sabotages={"never": "it was switched off, and to user mode"})
def kvm_mode_outage(v, sabotage):
    """The mode is switched to "off" and to "user" while the host's disk stands still and
    tasks sleep: the vCPU goes on, because the host isn't asked to stop before they have been
    woken. Sabotage "never": it isn't switched."""
    guest = L2("mode-outage", f"{LOAD} load.mb=144 load.tasks=6 "
               f"load.off_after={0 if sabotage else 16}", limit=300, steps=of_disk(40))
    guest.trace = kvm.MSR_WRITES
    yield kvm.host(guest, reads=4 * READS)
    check_guest(v, guest)
    least(v, guest, "it was switched off, and to user mode", "switched", 2)
    v.check("mode-outage: it ends in user mode", guest.get("pvfault.mode") == "user",
            guest.get("pvfault.mode"))
    check_ready(v, guest)
    v.metrics.update(runs=guest.get("outage_runs"), speed=speed(guest),
                     en_writes=len(guest.all("en_written")))
    # A vCPU that waits for its host's page-ins stands from the switch on: half of the time.
    least(v, guest, "the vCPU goes on", "outage_runs", 0.7)


@scenario(kernels=("main", "stock/main"), minutes=8, shown_by="outage-sabotage",
          sabotages={"still": "a vCPU was to go offline or online"})
def kvm_offline_outage(v, sabotage):
    """As kvm-outage, for a minute (``OUTAGE_S=`` seconds), with 2 vCPUs, of which one goes
    offline and online all the while, until that itself needs a page that is out: the other
    vCPU, which computes, goes on as with stock Linux; two guests of each kind
    (``OUTAGE_PAIRS=``). Sabotage "still": both stay online."""
    seconds, pairs = size(sabotage, 60, 2)
    line = f"{LOAD} load.mb=144 load.tasks=6 load.pin=1"
    guests = in_turns(pairs, f"{line} load.hotplug={0 if sabotage else 1}", of_disk, seconds,
                      vcpus=2)
    if sabotage:
        guests = of_kind(guests, "pvfault")
    yield kvm.host(*guests, reads=4 * READS)
    check_guests(v, guests)
    for guest in guests:
        v.metrics[f"{guest.name}_plugged"] = guest.get("outage_plugged")
    for guest in of_kind(guests, "pvfault"):
        least(v, guest, "a vCPU was to go offline or online", "outage_plugging", 1)
        # All that waited for pages of a CPU that goes offline touch them again elsewhere.
        check_waits(v, guest)
    if not sabotage:
        check_running(v, guests)


def cold(warm):
    """The host takes all that the guest has. In an outage after that, which pages does the
    vCPU ask for? With WARM it comes only when the guest has used again what it uses: after
    some of its ticks, two a second while it runs. Something else in its kernel may still
    meet a missing page and stop the vCPU: then there is another outage."""
    def steps(guest):
        def ticks(many, seconds):
            heard = len(guest.all("tick"))
            return guest.until(lambda: len(guest.all("tick")) >= heard + many, seconds)

        guest.walk(6)
        for _ in range(3):
            life.reclaim(guest, "1G")
        guest.host.write(f"{TRACING}/trace", "")
        for _ in range(5 if warm else 1):
            ticks(16 if warm else 0, 120)
            guest.host.write(PAGE_FAULTS, 1)
            guest.tell("phase", "outage")
            went_on = ticks(20, 18)
            guest.host.write(PAGE_FAULTS, 0)
            guest.tell("phase", "walk")
            if went_on:
                break
        tell_faults(guest)
        guest.host.write(ANSWERS, "enough")

    return steps


@scenario(minutes=2, shown_by="outage-sabotage",
          sabotages={"unused": "repairs were made"})
def kvm_cold(v, sabotage):
    """The host has taken all memory of a guest that waits for pages, and some seconds later
    its disk stands still, past the guest's deadline: repairs and probes run, and L1's trace
    shows that pvfault's own code and data are all there. Sabotage "unused": the outage
    begins before the guest has used them again: the vCPU stands still."""
    guest = L2("cold", f"{LOAD} load.mb=144 load.tasks=6 pvfault_deadline_ms=5000", limit=400,
               steps=cold(not sabotage))
    yield kvm.host(guest, reads=4 * READS)
    check_guest(v, guest)
    least(v, guest, "a task past its deadline tried", "counter.probe", 1)
    least(v, guest, "repairs were made", "counter.repair", 5)
    places = check_own_code(v, guest)
    v.check("cold: the trace has what the vCPU touched", len(places) > 0, len(places))
    v.metrics.update(faults=places.total(), own=len(own(places)))


@scenario(minutes=5)
def outage_sabotage(v):
    """Each scenario with an outage, sabotaged, turns red."""
    yield from show_sabotages(v)
