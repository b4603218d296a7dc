# SPDX-License-Identifier: GPL-2.0
"""A host that can't fetch anything for a while: the guest should lose what is missing, and
not the rest."""

import collections
import os
import re
import statistics
import time

import kvm
import life
import rig
from checks import READS, chance, check_guest, least
from kvm import ANSWERS, L2, REPEATED_FAULTS, TRACING
from registry import scenario, show_sabotages

# A guest of each kind: its command line and its kernel.
KINDS = {"stock": "stock/main", "pvfault": None}
# Each touch of a page that the host's page tables for the guest don't have.
PAGE_FAULTS = f"{TRACING}/events/kvm/kvm_page_fault/enable"
# A line for each second of an outage would be too much; so is one for each task.
LINES = 3


def computed(guest):
    """How much its computing task has done, as far as it has said so."""
    return int(guest.get("tick", "0 0").split()[1])


def next_tick(guest):
    heard = len(guest.all("tick"))
    guest.until(lambda: len(guest.all("tick")) > heard)


def vcpu_runs(guest, thread):
    """Does its vCPU's THREAD run now? A vCPU that stops for a page sleeps in the host."""
    return guest.host.read(f"/proc/{thread}/stat").rpartition(")")[2].split()[0] == "R"


def functions(guest):
    """(start, end, name) of each function of the guest's kernel, which isn't relocated."""
    image = guest.kernel or rig.kernel()
    symbols = sorted((int(line.split()[0], 16), line.split()[2]) for line in
                     (image.parents[3] / "System.map").read_text().splitlines())
    # Per-CPU variables have small numbers, where processes have their code.
    return [(start, end, name) for (start, name), (end, _) in zip(symbols, symbols[1:])
            if start >> 63]


def touched_at(guest):
    """The functions of the guest's kernel that touched pages which the host didn't have, as
    often as L1's trace has them."""
    places = collections.Counter()
    code = functions(guest)
    for rip, times in collections.Counter(guest.all("fault_at")).items():
        places.update({name: times for start, end, name in code
                       if start <= int(rip, 16) < end})
    return places


def own(places):
    """Those of pvfault's functions among PLACES, but for the instructions that are meant to
    touch missing pages."""
    return [name for name in places if re.match(r"(__)?(pvfault|kvm_apf)_", name) and
            not re.match(r"pvfault_(touch|test|kit)", name)]


def tell_faults(guest):
    """Note where the vCPU has touched what it doesn't have."""
    for rip in guest.host.run(
            f"sed -n 's/.*kvm_page_fault: .* rip 0x\\([0-9a-f]*\\).*/\\1/p' {TRACING}/trace",
            300).split():
        guest.tell("fault_at", rip)


def standing_still(guest, begin, seconds, end):
    """What it does from BEGIN on, which is called, for so long, until END is: how much its
    task computes, and in which share of all looks its vCPU runs. Because that task never
    sleeps, the vCPU runs unless the host stops it."""
    guest.qemu.connect()
    thread = guest.qemu.qmp("query-cpus-fast")[0]["thread-id"]
    next_tick(guest)
    guest.host.write(f"{TRACING}/trace", "")
    # The host's own threads may wait for its disk for as long, khugepaged for one.
    guest.host.write("/proc/sys/kernel/hung_task_timeout_secs", 0)
    begin()
    guest.host.write(PAGE_FAULTS, 1)
    began, done, runs = time.monotonic(), computed(guest), []
    plugged = len(guest.all("plugged"))
    while time.monotonic() - began < seconds:
        guest.pause(0.7)
        runs.append(vcpu_runs(guest, thread))
    guest.host.write(PAGE_FAULTS, 0)
    trace = guest.host.run(f"grep {REPEATED_FAULTS[0]}: {TRACING}/trace || true", 300)
    tell_faults(guest)
    end()
    next_tick(guest)
    guest.tell("outage_s", time.monotonic() - began)
    guest.tell("outage_units", computed(guest) - done)
    # A page that a rejected task needs is touched again at each interrupt.
    guest.tell("outage_faults", len(set(re.findall(r"gfn = 0x[0-9a-f]+", trace))))
    guest.tell("outage_touches", trace.count("gfn = "))
    guest.tell("outage_runs", sum(runs) / len(runs))
    guest.tell("outage_plugging", len(guest.all("plugging")) - plugged)
    guest.tell("outage_plugged", len(guest.all("plugged")) - plugged)


def outage(seconds):
    """After some walking the host's disk stands still for so long."""
    def steps(guest):
        guest.walk(6)
        standing_still(guest, lambda: guest.tell("phase", "outage"), seconds,
                       lambda: guest.tell("phase", "walk"))
        guest.host.write(ANSWERS, "enough")

    return steps


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


def speed(guest):
    """What the computing task did in the outage, as a part of what it does alone."""
    alone = guest.get("compute_alone", 0) * guest.get("outage_s", 0)
    return guest.get("outage_units", 0) / alone if alone else 0


def lines_about_waits(guest):
    return [line for line in guest.console.splitlines() if "pvfault: the host has needed" in
            line or "pvfault: kvm: READY was lost" in line]


def in_turns(pairs, line, steps, seconds, **how):
    """So many guests of each kind, in turns."""
    guests = []
    for pair in range(pairs):
        for kind in list(KINDS)[::-1 if pair % 2 else 1]:
            guest = L2(f"{kind}{pair}", line, limit=2 * seconds + 600, steps=steps(seconds),
                       kernel=rig.kernel(KINDS[kind]) if KINDS[kind] else None, **how)
            guest.trace = REPEATED_FAULTS
            guests.append(guest)
    return guests


def of_kind(guests, kind):
    return [guest for guest in guests if guest.name.startswith(kind)]


OWN_CODE = "pvfault's own code met no missing page"
# What a watchdog prints about a vCPU that stands still for long.
WATCHDOG = {"pvfault": re.compile(r"watchdog: BUG: soft lockup|rcu: .*stall|^Call Trace:")}
# A task of stock Linux that waits for a page can't be killed, so another one speaks, too.
WATCHDOG["stock"] = re.compile(f"{WATCHDOG['pvfault'].pattern}|hung_task|blocked for more")


def check_guests(v, guests):
    """What holds of every guest. A watchdog of the guest may say that the host has stopped
    its vCPU, as it does with stock Linux: check_running() compares how long that was."""
    for kind in KINDS:
        for guest in of_kind(guests, kind):
            guest.trouble = [line for line in guest.trouble if not WATCHDOG[kind].search(line)]
            check_guest(v, guest, asynchronous=kind == "pvfault")


def check_running(v, guests):
    """The vCPU of a guest with pvfault stops no more than that of stock Linux. It stops when
    the kernel touches a missing page where no task may sleep, so when it does is chance:
    more than two standard errors below stock's mean isn't. How much is computed meanwhile is
    only shown: it depends on what else the machine does."""
    runs = {}
    for kind in KINDS:
        mine = of_kind(guests, kind)
        places = sum((touched_at(guest) for guest in mine), collections.Counter())
        runs[kind] = [guest.get("outage_runs", 0) for guest in mine]
        v.metrics[f"runs_{kind}"] = [round(share, 3) for share in runs[kind]]
        v.metrics[f"speed_{kind}"] = [round(speed(guest), 3) for guest in mine]
        v.metrics[f"touched_at_{kind}"] = dict(places.most_common(5))
        v.metrics[f"pages_again_{kind}"] = [guest.get("outage_faults") for guest in mine]
        v.metrics[f"touches_again_{kind}"] = [guest.get("outage_touches") for guest in mine]
        v.metrics[f"lockups_{kind}"] = [guest.console.count("soft lockup") for guest in mine]
    stock, ours = (statistics.fmean(runs[kind]) for kind in ("stock", "pvfault"))
    error = chance(*runs.values())
    v.check("the vCPU goes on as with stock Linux", ours >= 0.95 * stock - error,
            f"{ours:.3f} against {stock:.3f}, two standard errors are {error:.3f}")


def check_waits(v, guest):
    """Its tasks have waited on, and the log is short."""
    places = touched_at(guest)
    v.check(f"{guest.name}: {OWN_CODE}", not own(places), own(places)[:5])
    v.check(f"{guest.name}: no READY was lost", guest.counter("retry") == 0,
            guest.counter("retry"))
    v.check(f"{guest.name}: the log says it in few lines",
            len(lines_about_waits(guest)) <= LINES, len(lines_about_waits(guest)))


def check_touches(v, guest):
    """A page on its way was touched again only to probe, or by a task that may not sleep."""
    probes, rejected = guest.counter("probe"), guest.counter("rejected")
    v.check(f"{guest.name}: pages on their way were touched only to probe",
            guest.get("outage_faults", 1e9) <= probes + rejected,
            f"{guest.get('outage_faults')}, {probes} probes, {rejected} rejected")


LOAD = "load.tick=1 load.told=ttyS1 load.secs=2 load.alone=2"


@scenario(kernels=("main", "stock/main"), minutes=40, shown_by="outage-sabotage",
          sabotages={"stampede": "pages on their way were touched only to probe"})
def kvm_outage(v, sabotage):
    """The host's disk stands still for five minutes (``OUTAGE_S=`` seconds) under load, for
    guests of stock Linux and of pvfault in turns, three of each (``OUTAGE_PAIRS=``). A task
    computes: the vCPU goes on as with stock Linux, tasks past their deadline don't try all
    by themselves, and every task goes on afterwards. Sabotage "stampede": all sleepers
    are woken by hand twice a second."""
    seconds = 20 if sabotage else int(os.environ.get("OUTAGE_S", 300))
    pairs = 1 if sabotage else int(os.environ.get("OUTAGE_PAIRS", 3))
    line = f"{LOAD} load.mb=144 load.tasks=6"
    guests = in_turns(pairs, line, outage, seconds)
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


@scenario(kernels=("main", "stock/main"), minutes=12, shown_by="outage-sabotage",
          sabotages={"off": "async faults happened"})
def kvm_cut_channel(v, sabotage):
    """Moved by post-copy over a channel that stands still for two minutes (``OUTAGE_S=``
    seconds) and goes on, guests of stock Linux and of pvfault in turns, two of each
    (``OUTAGE_PAIRS=``): as kvm-outage. Sabotage "off": pvfault is
    switched off at boot."""
    seconds = 20 if sabotage else int(os.environ.get("OUTAGE_S", 120))
    pairs = 1 if sabotage else int(os.environ.get("OUTAGE_PAIRS", 2))
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
            v.check(f"{guest.name}: no READY was lost", guest.counter("retry") == 0,
                    guest.counter("retry"))
            v.check(f"{guest.name}: the log says it in few lines",
                    len(lines_about_waits(guest)) <= LINES, len(lines_about_waits(guest)))


@scenario(minutes=2, shown_by="outage-sabotage",
          sabotages={"never": "it was switched off, and to user mode"})
def kvm_mode_outage(v, sabotage):
    """The mode is switched to "off" and to "user" while the host's disk stands still and
    tasks sleep: the vCPU goes on, because the host isn't asked to stop before they have been
    woken. Sabotage "never": it isn't switched."""
    guest = L2("mode-outage", f"{LOAD} load.mb=144 load.tasks=6 "
               f"load.off_after={0 if sabotage else 16}", limit=300, steps=outage(40))
    guest.trace = kvm.MSR_WRITES
    yield kvm.host(guest, reads=4 * READS)
    check_guest(v, guest)
    least(v, guest, "it was switched off, and to user mode", "switched", 2)
    v.check("mode-outage: it ends in user mode", guest.get("pvfault.mode") == "user",
            guest.get("pvfault.mode"))
    v.check("mode-outage: no READY was lost", guest.counter("retry") == 0,
            guest.counter("retry"))
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
    seconds = 20 if sabotage else int(os.environ.get("OUTAGE_S", 60))
    pairs = 1 if sabotage else int(os.environ.get("OUTAGE_PAIRS", 2))
    line = f"{LOAD} load.mb=144 load.tasks=6 load.pin=1"
    guests = in_turns(pairs, f"{line} load.hotplug={0 if sabotage else 1}", outage, seconds,
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
    places = touched_at(guest)
    v.check("cold: the trace has what the vCPU touched", len(places) > 0, len(places))
    v.check(f"cold: {OWN_CODE}", not own(places), own(places)[:5])
    v.metrics.update(faults=places.total(), own=len(own(places)))


@scenario(minutes=5)
def outage_sabotage(v):
    """Each scenario with an outage, sabotaged, turns red."""
    yield from show_sabotages(v)
