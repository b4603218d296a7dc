# SPDX-License-Identifier: GPL-2.0
"""A host that loses what it should say; and the sabotages of all that befalls a guest."""

import rig
from kvm import L2, run_guests
from scenarios import READS, check_guest, judge_red, scenario
from scenarios_ends import (check_kdump, check_kexec, check_reboot, kdump_guest, kexec_guest,
                            reboot_guest)
from scenarios_life import (alone, check_kill, check_snapshot, check_suspend, kill_guest,
                            least, one_of, snapshot_guest, suspend_guest)


def lost_vector_guest(sabotage):
    """Sabotage "kept": it isn't lost."""
    lose = int(not one_of("kvm-lost-vector", sabotage, "kept"))
    return L2("lost-vector", "pvfault=on load.secs=12 load.alone=1 msr.allow_writes=on "
              f"load.novector={lose}")


def no_apic_guest(sabotage):
    """Sabotage "kept": it stays on."""
    lose = int(not one_of("kvm-lost-vector", sabotage, "kept"))
    return L2("no-apic", "pvfault=on load.secs=12 load.alone=1 msr.allow_writes=on "
              f"load.noapic={lose}")


def check_kept(v, guest):
    check_guest(v, guest)
    v.check(f"{guest.name}: no wait ran into its deadline",
            guest.counter("retry") == 0, guest.counter("retry"))
    v.metrics[f"recovery_ms_max_{guest.name}"] = guest.get("worst_touch_ms")


def check_lost_vector(v, guest):
    check_kept(v, guest)
    v.check("lost-vector: a repair comes within 1 to 2 s, with a read's time on top",
            guest.get("worst_touch_ms", 1e9) < 3000, guest.get("worst_touch_ms"))
    seen = guest.all("vector_before")
    v.check("lost-vector: it was lost, and a repair brings it back",
            len(seen) > 1 and seen[0] not in (0, -1) and set(seen) == {seen[0]}, seen)
    v.metrics.update(repairs=guest.counter("repair"), vectors_lost=len(seen))


def check_no_apic(v, guest):
    check_kept(v, guest)
    least(v, guest, "the local APIC was off", "apic_off", 2)


@scenario("kvm-lost-vector")
def kvm_lost_vector(sabotage):
    """MSR_KVM_ASYNC_PF_INT is lost, as by a bad restore; and the local APIC is off
    for a while."""
    guests = vector, apic = lost_vector_guest(sabotage), no_apic_guest(sabotage)
    v = rig.Verdict("kvm-lost-vector")
    v.check("the host's console is clean",
            not run_guests("kvm-lost-vector", guests, reads=4 * READS))
    check_lost_vector(v, vector)
    check_no_apic(v, apic)
    v.metrics["corrupt"] = sum(g.get("corrupt", -1) for g in guests)
    return v


def out_again_guest(sabotage):
    """Sabotage "kept": no interrupt is lost."""
    guest = L2("out-again", "pvfault=on load.secs=12 load.alone=1 load.common=1 "
               "load.mb=144 load.tasks=24 load.rest=20", limit=240)
    lose = 0 if one_of("kvm-out-again", sabotage, "kept") else 200
    guest.before = f"lose_interrupt {lose}; trace kvm_async_pf_repeated_fault"
    guest.steps = "press 16; lose_interrupt 0"
    return guest


def check_out_again(v, guest):
    check_guest(v, guest)
    least(v, guest, "pages on their way were touched again", "repeated_faults", 1)
    least(v, guest, "lost interrupts were repaired", "counter.repair", 1)
    v.metrics.update(repeated_faults=guest.get("repeated_faults"),
                     recovery_ms_max=guest.get("worst_touch_ms"),
                     repairs=guest.counter("repair"), retries=guest.counter("retry"),
                     corrupt=guest.get("corrupt"))


@scenario("kvm-out-again")
def kvm_out_again(sabotage):
    """Pages whose READY waits behind a lost one go out again and are touched again:
    the vCPU can't go on before the slot is emptied."""
    return alone("kvm-out-again", out_again_guest(sabotage), check_out_again,
                 reads=20 * READS, l1_kernel=rig.kernel("hostile"))


def cut_off_guest(sabotage):
    """Sabotage "kept": the file stays as it is."""
    guest = L2("cut-off", "pvfault=on load.hole=1 load.mb=32 load.tasks=2 load.secs=4 "
               "load.alone=1", limit=150, options=(
                   "-object", "memory-backend-file,id=hole,share=on,size=1M,mem-path=/tmp/hole",
                   "-device", "ivshmem-plain,memdev=hole"))
    cut = "" if one_of("kvm-cut-off", sabotage, "kept") else "; : >/tmp/hole"
    guest.steps = f"await cut{cut}"
    return guest


def check_cut_off(v, guest):
    v.check("cut-off: came to its end", guest.done, f"exit {guest.get('exit')}")
    v.check("cut-off: memory verified", guest.get("corrupt") == 0, guest.get("corrupt"))
    v.check("cut-off: consoles are clean", not guest.trouble, guest.trouble[:3])
    v.check("cut-off: who touches it goes on trying", guest.get("hole_over") == 0,
            guest.get("hole_over"))
    least(v, guest, "told again and again", "hole_told", 10)
    least(v, guest, "SIGKILL ends it", "hole_killed", 1)
    v.metrics.update(told=guest.get("hole_told"), kill_ms=guest.get("hole_kill_ms"))


@scenario("kvm-cut-off")
def kvm_cut_off(sabotage):
    """A guest's memory whose file the host has cut off: one task can't go on, the
    others do, and it can be killed."""
    return alone("kvm-cut-off", cut_off_guest(sabotage), check_cut_off)


def stock_guest(sabotage):
    """Sabotage "kept": no interrupt is lost."""
    guest = L2("stock", "load.secs=8 load.alone=1", limit=150, kernel=rig.kernel("main", "stock"))
    lose = 0 if one_of("kvm-stock-hang", sabotage, "kept") else 1000
    guest.before = f"echo {lose} >/sys/module/kvm/parameters/lose_interrupt"
    return guest


def check_stock(v, guest):
    v.check("stock: it walked its memory", "walk" in guest.all("phase"))
    v.check("stock: and never came to its end", not guest.done, f"exit {guest.get('exit')}")


@scenario("kvm-stock-hang")
def kvm_stock_hang(sabotage):
    """For the record: stock Linux, whose host loses one interrupt in a thousand."""
    guest, v = stock_guest(sabotage), rig.Verdict("kvm-stock-hang")
    run_guests("kvm-stock-hang", [guest], reads=4 * READS, l1_kernel=rig.kernel("hostile"))
    check_stock(v, guest)
    return v


# What is sabotaged, how, what judges it, and what must turn red.
SABOTAGED = [
    (snapshot_guest, "once", check_snapshot, "restored 3 times"),
    (kill_guest, "harmless", check_kill, "sigkill of a sleeper"),
    (suspend_guest, "awake", check_suspend, "suspended at each depth, and once more"),
    (reboot_guest, "sysrq", check_reboot, "a vCPU that was told said"),
    (kexec_guest, "told", check_kexec, "the second kernel found MSR_KVM_ASYNC_PF_EN off"),
    (kdump_guest, "told", check_kdump, "the second kernel found MSR_KVM_ASYNC_PF_EN off"),
    (lost_vector_guest, "kept", check_lost_vector, "it was lost"),
    (no_apic_guest, "kept", check_no_apic, "the local APIC was off"),
    (out_again_guest, "kept", check_out_again, "lost interrupts were repaired"),
    (cut_off_guest, "kept", check_cut_off, "who touches it goes on trying"),
    (stock_guest, "kept", check_stock, "and never came to its end"),
]


@scenario("life-sabotage")
def life_sabotage(sabotage):
    """Each of these scenarios can fail: their own sabotages, in one boot."""
    v = rig.Verdict("life-sabotage")
    guests = [make(what, 3) if make is snapshot_guest else make(what)
              for make, what, _, _ in SABOTAGED]
    run_guests("life-sabotage", guests, reads=READS, l1_kernel=rig.kernel("hostile"))
    for guest, (_, what, check, red) in zip(guests, SABOTAGED):
        judge_red(v, f"{guest.name}, {what}", guest, check, f"{guest.name}: {red}")
    return v
