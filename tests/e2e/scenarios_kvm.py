# SPDX-License-Identifier: GPL-2.0
"""KVM guests whose host swaps their memory."""

import re

import kvm
import rig
from checks import READS, USUAL, check_guest, least, side_by_side
from kvm import L2
from registry import scenario, show_sabotages


@scenario(minutes=3, quick=True, sabotages=USUAL, shown_by="kvm-sabotage")
def kvm_swap(v, sabotage):
    """The main job: the same guest without and with pvfault, 1 vCPU, 100 reads/s."""
    if sabotage:
        guest = L2("on", f"{kvm.usual_line(sabotage)} load.secs=3 load.alone=1",
                   limit=60 if sabotage == "hang" else 300)
        yield kvm.host(guest, reads=READS)
        check_guest(v, guest)
        return

    def boot():
        off, on = L2("off", "pvfault=off"), L2("on", "pvfault=on")
        yield kvm.host(off, on, reads=READS)
        check_guest(v, off, asynchronous=False)
        check_guest(v, on)
        return off, on

    yield from side_by_side(v, boot)


@scenario(minutes=4, quick=True)
def kvm_sabotage(v):
    """Each check of kvm-swap can fail: its sabotages, in one boot of the host."""
    yield from show_sabotages(v)


@scenario(minutes=2, quick=True)
def kvm_smp(v):
    """2 and 4 vCPUs, and the other preemption models, for correctness: with one
    CPU in L1 the overlap of several vCPUs means little."""
    guests = [L2(f"smp{n}", f"pvfault=on load.secs=10 load.alone=1 preempt={model}", vcpus=n)
              for n, model in ((2, "none"), (4, "voluntary"))]
    yield kvm.host(*guests, reads=4 * READS)
    for guest in guests:
        check_guest(v, guest)
        v.metrics[f"async_faults_{guest.name}"] = guest.counter("sleep")
        v.metrics[f"worst_touch_ms_{guest.name}"] = guest.get("worst_touch_ms")


@scenario(minutes=2, quick=True)
def kvm_hotplug(v):
    """4 vCPUs, of which one goes offline and online all the while."""
    guest = L2("hotplug", "pvfault=on load.secs=40 load.alone=1 load.hotplug=1", vcpus=4)
    yield kvm.host(guest, reads=4 * READS)
    check_guest(v, guest)
    v.check("hotplug: a vCPU went and came", guest.get("cpu_switches", 0) > 10,
            guest.get("cpu_switches"))
    v.metrics.update(async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt"),
                     cpu_switches=guest.get("cpu_switches"))


@scenario(minutes=1.5, quick=True, shown_by="life-sabotage",
          sabotages={"one-mode": "the mode was switched again and again"})
def kvm_mode_switch(v, sabotage):
    """The mode of a guest of 4 vCPUs is switched thousands of times between off, user and
    kernel under load, while a vCPU goes and comes all the time. Sabotage "one-mode": it
    stays as it is."""
    guest = L2("modes", "pvfault=on load.secs=30 load.alone=1 load.hotplug=1 "
               f"load.modes={int(not sabotage)}", vcpus=4)
    guest.trace = kvm.MSR_WRITES
    yield kvm.host(guest, reads=4 * READS)
    check_guest(v, guest)
    least(v, guest, "the mode was switched again and again", "mode_switches", 1000)
    least(v, guest, "a vCPU went and came", "cpu_switches", 10)
    v.check("modes: it ends in kernel mode", guest.get("pvfault.mode") == "kernel",
            guest.get("pvfault.mode"))
    v.check("modes: no READY was lost on the way", guest.counter("retry") == 0,
            guest.counter("retry"))
    v.metrics.update(mode_switches=guest.get("mode_switches"),
                     rejected_mode=guest.counter("rejected_mode"),
                     async_faults=guest.counter("sleep"),
                     en_writes=len(guest.all("en_written")), corrupt=guest.get("corrupt"))


@scenario(kernels=("main", "hostile", "kvm2010"), minutes=2, shown_by="life-sabotage",
          sabotages={"kept": "async faults happened"})
def kvm_2010(v, sabotage):
    """kvm-swap where READY comes as a #PF, as KVM had it before Linux 5.8: a host and a
    guest's backend for that are in ``tests/overlay``. Sabotage "kept": the host is as
    today's, and announces nothing to such a guest."""
    guest = L2("2010", "pvfault=on load.secs=8 load.alone=1", vcpus=2)
    guest.lies = {} if sabotage else {"ready_by_fault": 1}
    yield kvm.host(guest, reads=READS, l1_kernel=rig.kernel("hostile"),
                   l2_kernel=rig.kernel("kvm2010"))
    check_guest(v, guest)
    least(v, guest, "READYs came", "counter.ready", 100)
    v.metrics.update(async_faults=guest.counter("sleep"), ready=guest.counter("ready"),
                     in_kernel_mode=guest.counter("sleep_kernel"),
                     late=guest.counter("ready_late"), retries=guest.counter("retry"),
                     corrupt=guest.get("corrupt", -1))


@scenario(minutes=2, quick=True)
def kvm_nested(v):
    """L2 runs guests of its own while L1 swaps all of them; the notifications come as #PF
    vmexits."""
    yield from kvm.nested(v, rig.kernel())


@scenario(kernels=("main", "hostile"), minutes=2, quick=True)
def kvm_lost_ready(v):
    """An L1 with a KVM that loses interrupts of READY (they are repaired), or READY altogether
    (it is retried): ``tests/overlay``, never part of the series."""
    # Until the repair, a lost interrupt holds up all READYs of its vCPU; a lost token
    # holds up only its own task.
    irq = L2("lost-interrupt", "pvfault=on pvfault_deadline_ms=600000 load.secs=8 "
             "load.alone=1")
    token = L2("lost-token", "pvfault=on pvfault_deadline_ms=2000 load.secs=8 load.alone=1")
    irq.lies, token.lies = {"lose_interrupt": 1000}, {"lose_token": 500}
    yield kvm.host(irq, token, reads=4 * READS, l1_kernel=rig.kernel("hostile"))
    for guest in (irq, token):
        check_guest(v, guest)
    v.check("lost interrupts were repaired", irq.counter("repair") > 0,
            irq.counter("repair"))
    v.check("no repaired wait ran into its deadline", irq.counter("retry") == 0,
            irq.counter("retry"))
    # A lost token is found by its own task's probe, or retried because of another one's.
    found = token.counter("probe") - token.counter("probe_held")
    v.check("lost tokens were found", found > 0, found)
    told = re.findall(r"pvfault: kvm: READY was lost for what CPU \d+ was told \d+ s ago, "
                      "tasks retry", token.console)
    v.check("the guest's log says so, at a limited rate", 0 < len(told) <= found,
            f"{len(told)} lines for {found}")
    v.metrics.update(repairs=irq.counter("repair"), found=found,
                     retries=token.counter("retry"),
                     recovery_ms_repair=irq.get("worst_touch_ms"),
                     recovery_ms_retry=token.get("worst_touch_ms"),
                     corrupt=irq.get("corrupt", -1) + token.get("corrupt", -1))


@scenario(kernels=("main", "debug"), minutes=5)
def kvm_swap_debug(v):
    """kvm-swap with lockdep, raw-lock nesting, atomic-sleep checks and KASAN in L2; too
    slow for figures."""
    guest = L2("debug", "pvfault=on load.secs=40 load.alone=1 load.mb=128",
               vcpus=2, mib=512, limit=500)
    yield kvm.host(guest, reads=2 * READS, memory="150M", l2_kernel=rig.kernel("debug"))
    check_guest(v, guest)
    v.metrics.update(async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt", -1))


@scenario(kernels=("main", "kcsan"), minutes=3, also=USUAL)
def kvm_swap_kcsan(v, sabotage):
    """kvm-swap with KCSAN of pvfault's files in L2; kunit-kcsan shows that it finds
    races."""
    guest = L2("kcsan", f"{kvm.usual_line(sabotage)} {kvm.KCSAN} load.secs=20 load.alone=1 "
               "load.mb=128", vcpus=2)
    yield kvm.host(guest, reads=2 * READS, memory="130M", l2_kernel=rig.kernel("kcsan"))
    check_guest(v, guest)
    v.check("kcsan: accesses were watched", guest.get("kcsan_watched", 0) > 1000,
            guest.get("kcsan_watched"))
    v.metrics.update(async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt", -1),
                     watched=guest.get("kcsan_watched"))
