# SPDX-License-Identifier: GPL-2.0
"""A host that loses what it should say. Sabotage "kept": nothing is lost."""

import kvm
import life
import rig
from checks import READS, check_guest, least
from kvm import L2
from registry import scenario


# The deadline is so long that no wait reaches it, however busy the machine is. So what comes
# back was repaired.
LINE = ("pvfault=on pvfault_deadline_ms=600000 load.secs=12 load.alone=1 "
        "msr.allow_writes=on")


def check_kept(v, guest):
    check_guest(v, guest)
    v.check(f"{guest.name}: no wait ran into its deadline",
            guest.counter("retry") == 0, guest.counter("retry"))
    v.metrics[f"recovery_ms_max_{guest.name}"] = guest.get("worst_touch_ms")


def check_lost_msr(v, guest):
    """The MSR was lost again and again."""
    check_kept(v, guest)
    seen = guest.all("msr_before")
    v.check(f"{guest.name}: it was lost, and a repair brings it back",
            len(seen) > 1 and seen[0] not in (0, -1) and set(seen) == {seen[0]}, seen)
    v.metrics.update(repairs=guest.counter("repair"), msr_lost=len(seen))


@scenario(minutes=2, quick=True, shown_by="life-sabotage",
          sabotages={"kept": "it was lost", "on": "the local APIC was off"})
def kvm_lost_vector(v, sabotage):
    """A guest that loses MSR_KVM_ASYNC_PF_INT, with READY's vector, again and again, as by
    a bad restore; and one with its local APIC off for a while. Sabotages: the vector is
    "kept", the APIC stays "on"."""
    vector = L2("lost-vector", LINE + (" load.lose=vector" if sabotage != "kept" else ""))
    apic = L2("no-apic", f"{LINE} load.noapic={int(sabotage != 'on')}")
    guests = {"kept": [vector], "on": [apic]}.get(sabotage, [vector, apic])
    yield kvm.host(*guests, reads=4 * READS)
    if vector in guests:
        check_lost_msr(v, vector)
    if apic in guests:
        check_kept(v, apic)
        least(v, apic, "the local APIC was off", "apic_off", 2)
    v.metrics["corrupt"] = sum(g.get("corrupt", -1) for g in guests)


@scenario(minutes=1, quick=True, shown_by="life-sabotage", sabotages={"kept": "it was lost"})
def kvm_lost_enable(v, sabotage):
    """A guest that loses MSR_KVM_ASYNC_PF_EN again and again, as by a restore into a QEMU
    that didn't save it: the host forgets its notifications, and sends no more until the MSR
    is written again. Sabotage "kept": it isn't lost."""
    guest = L2("lost-enable", LINE + ("" if sabotage else " load.lose=enable"))
    yield kvm.host(guest, reads=4 * READS)
    check_lost_msr(v, guest)
    least(v, guest, "waits ended by READY for all", "counter.wake_all", 3)


@scenario(minutes=2, shown_by="life-sabotage", sabotages={"kept": "it came back"})
def kvm_lost_idle(v, sabotage):
    """A guest that loses MSR_KVM_ASYNC_PF_EN while no task waits, as by a restore of an idle
    guest: it finds out by itself. Sabotage "kept": it isn't lost."""
    guest = L2("lost-idle", LINE + ("" if sabotage else " load.lose=idle"))
    yield kvm.host(guest, reads=4 * READS)
    check_guest(v, guest)
    least(v, guest, "it came back", "msr_back", 2)


@scenario(kernels=("main", "hostile"), minutes=2, shown_by="life-sabotage",
          sabotages={"kept": "lost interrupts were repaired"})
def kvm_out_again(v, sabotage):
    """On the L1 of kvm-lost-ready: pages with a READY that waits behind a lost one go out again
    and are touched again; the vCPU can't go on before the slot is emptied. Sabotage "kept":
    no interrupt is lost."""
    guest = L2("out-again", "pvfault=on load.secs=12 load.alone=1 load.common=1 "
               "load.mb=144 load.tasks=24 load.rest=20", limit=240,
               steps=lambda guest: life.press_and_lose(guest, "16M"))
    guest.lies = {"lose_interrupt": 0 if sabotage else 200}
    guest.trace = kvm.REPEATED_FAULTS
    yield kvm.host(guest, reads=20 * READS, l1_kernel=rig.kernel("hostile"))
    check_guest(v, guest)
    least(v, guest, "pages on their way were touched again", "repeated_faults", 1)
    least(v, guest, "lost interrupts were repaired", "counter.repair", 1)
    v.metrics.update(repeated_faults=guest.get("repeated_faults"),
                     recovery_ms_max=guest.get("worst_touch_ms"),
                     repairs=guest.counter("repair"), retries=guest.counter("retry"),
                     corrupt=guest.get("corrupt"))


@scenario(minutes=2, shown_by="life-sabotage",
          sabotages={"kept": "a task that touches it goes on trying"})
def kvm_cut_off(v, sabotage):
    """Memory of which the host has cut off the file, an ivshmem device's: one task can't go on,
    the others do, and it can be killed. Sabotage "kept": the file stays as it is."""
    def cut(guest):
        guest.boot()
        guest.until_phase("cut")
        if not sabotage:
            guest.host.run(": >/tmp/hole")

    guest = L2("cut-off", "pvfault=on load.hole=1 load.mb=32 load.tasks=2 load.secs=4 "
               "load.alone=1", limit=150, steps=cut, options=(
                   "-object", "memory-backend-file,id=hole,share=on,size=1M,mem-path=/tmp/hole",
                   "-device", "ivshmem-plain,memdev=hole"))
    yield kvm.host(guest)
    v.check("cut-off: came to its end", guest.done, f"exit {guest.get('exit')}")
    v.check("cut-off: memory verified", guest.get("corrupt") == 0, guest.get("corrupt"))
    v.check("cut-off: consoles are clean", not guest.trouble, guest.trouble[:3])
    v.check("cut-off: a task that touches it goes on trying", guest.get("hole_over") == 0,
            guest.get("hole_over"))
    least(v, guest, "told again and again", "hole_told", 10)
    least(v, guest, "SIGKILL ends it", "hole_killed", 1)
    v.metrics.update(told=guest.get("hole_told"), kill_ms=guest.get("hole_kill_ms"))


@scenario(kernels=("main", "hostile", "stock/main"), minutes=3, shown_by="life-sabotage",
          sabotages={"kept": "and never came to its end"})
def kvm_stock_hang(v, sabotage):
    """Stock Linux on the L1 of kvm-lost-ready that loses one interrupt in a thousand, for
    the record: it hangs. Sabotage "kept": no interrupt is lost."""
    guest = L2("stock", "load.secs=8 load.alone=1", limit=150,
               kernel=rig.kernel("stock/main"))
    guest.lies = {"lose_interrupt": 0 if sabotage else 1000}
    yield kvm.host(guest, clean=False, reads=4 * READS, l1_kernel=rig.kernel("hostile"))
    v.check("stock: it walked its memory", "walk" in guest.all("phase"))
    v.check("stock: and never came to its end", not guest.done, f"exit {guest.get('exit')}")
