# SPDX-License-Identifier: GPL-2.0
"""What befalls a KVM guest while its tasks wait: it is saved, moved, reset,
suspended, its processes are killed. Nothing may be lost."""

import itertools
import os
import random
import statistics

import rig
from guests import guest_initrd
from kvm import L2, run_guests
from scenarios import READS, check_guest, known_sabotage, sabotaged, scenario


def alone(name, guest, **how):
    """Run GUEST alone in a boot of its own; return the scenario's verdict."""
    v = rig.Verdict(name)
    v.check("the host's console is clean", not run_guests(name, [guest], **how))
    return v


def only_sabotage(name, what, known):
    """For a scenario that has one sabotage, KNOWN, and none of kvm-swap's."""
    if what not in ("", known):
        raise rig.Failure(f"{name} knows the sabotage {known}, not '{what}'.")


def least(v, guest, what, key, want):
    """GUEST said a number of at least WANT under KEY: WHAT happened."""
    seen = guest.get(key, 0)
    v.check(f"{guest.name}: {what}", isinstance(seen, float) and seen >= want, seen)


def asleep_at_saves(guest):
    """How many tasks slept at each save that a READY for all came after."""
    saved, asleep = False, []
    for what in guest.heard:
        if what == ("phase", "save"):
            saved = True
        elif what[0] == "asleep_at_save" and saved:
            asleep.append(what[1])
            saved = False
    return asleep


def snapshot(name, guest, rounds, seconds, each="", **how):
    """Save and restore GUEST so often; check what holds after it."""
    guest.steps = f"rounds {rounds} {seconds} '{each}'"
    v = alone(name, guest, **how)
    check_guest(v, guest)
    least(v, guest, f"restored {rounds} times", "restored", rounds)
    asleep = asleep_at_saves(guest)
    v.check(f"{guest.name}: each restore was a READY for all", len(asleep) >= rounds,
            f"{len(asleep)} seen")
    v.metrics.update(restores=guest.get("restored"),
                     asleep_at_save=statistics.median(asleep) if asleep else 0,
                     async_faults=guest.counter("sleep"), retries=guest.counter("retry"),
                     worst_touch_ms=guest.get("worst_touch_ms"),
                     corrupt=guest.get("corrupt"))
    return v


@scenario("kvm-snapshot")
def kvm_snapshot(sabotage):
    """Saved to a file and restored into a new QEMU with dozens of tasks asleep;
    SNAPSHOT_ROUNDS times (20)."""
    known_sabotage("kvm-snapshot", sabotage, ("once",))
    rounds = int(os.environ.get("SNAPSHOT_ROUNDS", 20))
    line = sabotaged("" if sabotage == "once" else sabotage)
    guest = L2("snapshot", f"{line} load.tasks=48 load.mb=56 load.secs={rounds * 5} "
               "load.alone=1 load.sample=1", mib=128, limit=240 + 30 * rounds)
    v = snapshot("kvm-snapshot", guest, rounds, 30 if sabotage == "once" else 3,
                 memory="62M", reads=READS)
    v.check("snapshot: dozens of tasks were asleep", v.metrics["asleep_at_save"] >= 24,
            v.metrics["asleep_at_save"])
    return v


@scenario("kvm-nested-restore")
def kvm_nested_restore(sabotage):
    """The same for a guest that runs a guest of its own, under NMIs."""
    known_sabotage("kvm-nested-restore", sabotage)
    rounds = 5
    guest = L2("nested-restore", f"{sabotaged(sabotage)} load.tasks=4 load.mb=64 "
               f"load.guest=2 load.secs={rounds * 9} load.alone=1 load.sample=1",
               mib=160, limit=420)
    guest.before = "cpu=$cpu,migratable=off"    # as in kvm-nested
    v = snapshot("kvm-nested-restore", guest, rounds, 4, "nmis 20", memory="80M",
                 reads=2 * READS)
    least(v, guest, "the guest's guests ran", "nested_walks", 1)
    v.check("nested-restore: their memory verified", guest.get("nested_wrong") == 0,
            guest.get("nested_wrong"))
    least(v, guest, "notifications came as #PF vmexits", "counter.deferred", 1)
    nmis = guest.console.count("NMI received for unknown reason")
    v.check("nested-restore: NMIs came", nmis > 0, nmis)
    v.metrics.update(nmis=nmis, by_vmexit=guest.counter("deferred"))
    return v


def check_told(v, guest, whole):
    """In each vCPU's writes of MSR_KVM_ASYNC_PF_EN, as its host saw them, off
    comes after on, which may be said again to ask for more. WHOLE: on every vCPU,
    else on one."""
    vcpus = {}
    for written in guest.all("en_written"):
        thread, value = written.split()
        vcpus.setdefault(thread, []).append(int(value, 16) != 0)
    turns = [[on for on, _ in itertools.groupby(said)] for said in vcpus.values()]
    good = [on[0] and (len(on) > 2 or not on[-1]) for on in turns]
    v.check(f"{guest.name}: a vCPU that was told said 'no more' before its kernel's end",
            good and (all(good) if whole else any(good)), vcpus)


def ended(name, how, sabotage, vcpus=2, mib=256, memory="100M", line=""):
    """A kernel ends under load, another one begins in its memory."""
    guest = L2(how, f"pvfault=on load.mb=96 load.secs=30 load.alone=1 load.end={how} "
               f"{line}", vcpus=vcpus, mib=mib, limit=400)
    guest.before = "trace_msr; dd if=/dev/zero of=/tmp/flag bs=512 count=8; quit_when_done=1"
    guest.steps = ":"
    guest.options = ("-action", "reboot=reset", "-drive",
                     "file=/tmp/flag,if=virtio,format=raw")
    if how in ("kexec", "crash"):
        guest.options = ()
        guest.initrd = guest_initrd(kernel=rig.kernel(), initrd=guest_initrd())
    if sabotage == "sysrq":
        guest.line = guest.line.replace("load.end=reboot", "load.end=sysrq")
    if sabotage == "told":
        guest.line += " load.second_apf=1"
    v = alone(name, guest, memory=memory, reads=READS)
    least(v, guest, "the first kernel had async faults", "first.sleep", 100)
    least(v, guest, "tasks slept when it ended", "first.outstanding", 1)
    v.check(f"{guest.name}: the second kernel came to its end", guest.done,
            f"exit {guest.get('exit')}")
    v.check(f"{guest.name}: its memory verified", guest.get("corrupt") == 0,
            guest.get("corrupt"))
    # A kernel that crashes says so.
    console = guest.console
    if how == "crash":
        first, _, console = guest.console.rpartition("Linux version")
        v.check("crash: it crashed by request", "sysrq triggered crash" in first)
    v.check(f"{guest.name}: the console is clean", not rig.trouble(console),
            rig.trouble(console)[:3])
    v.metrics.update(asleep_at_end=guest.get("first.outstanding"),
                     corrupt=guest.get("corrupt"))
    return v, guest


def check_second(v, guest, cpus):
    """The host believes nothing of the first kernel any more."""
    v.check(f"{guest.name}: the second kernel found MSR_KVM_ASYNC_PF_EN off",
            guest.get("second.en") == 0, guest.get("second.en"))
    v.check(f"{guest.name}: it has {cpus} CPU{'s' * (cpus > 1)}",
            guest.get("second.cpus") == cpus, guest.get("second.cpus"))
    v.metrics.update(msr_en=guest.get("second.en"))


@scenario("kvm-reboot")
def kvm_reboot(sabotage):
    """Sabotage "sysrq": reset without telling anybody in the kernel."""
    only_sabotage("kvm-reboot", sabotage, "sysrq")
    v, guest = ended("kvm-reboot", "reboot", sabotage)
    check_told(v, guest, True)
    least(v, guest, "the second kernel has async faults again", "counter.sleep", 100)
    return v


@scenario("kvm-kexec")
def kvm_kexec(sabotage):
    """Sabotage "told": the second kernel lets the host tell it, too."""
    only_sabotage("kvm-kexec", sabotage, "told")
    v, guest = ended("kvm-kexec", "kexec", sabotage)
    check_told(v, guest, True)
    check_second(v, guest, 2)
    return v


@scenario("kvm-kdump")
def kvm_kdump(sabotage):
    """Sabotage "told", as in kvm-kexec."""
    only_sabotage("kvm-kdump", sabotage, "told")
    v, guest = ended("kvm-kdump", "crash", sabotage, line="crashkernel=96M", mib=320,
                     memory="110M")
    check_told(v, guest, False)
    check_second(v, guest, 1)
    return v


@scenario("kvm-suspend")
def kvm_suspend(sabotage):
    """Suspended again and again. Sabotage "awake": it never is."""
    known_sabotage("kvm-suspend", sabotage, ("awake",))
    line = sabotaged("" if sabotage == "awake" else sabotage)
    guest = L2("suspend", f"{line} load.secs=40 load.alone=1 "
               f"load.suspend={int(sabotage != 'awake')}", vcpus=2)
    v = alone("kvm-suspend", guest, reads=READS)
    check_guest(v, guest)
    least(v, guest, "suspended at each depth", "suspends", 6)
    least(v, guest, "tasks slept when it was", "asleep_at_suspends", 6)
    v.check("suspend: async faults also after the last one",
            guest.counter("sleep") > guest.get("sleep_at_last_suspend", 1e9),
            guest.counter("sleep"))
    v.metrics.update(suspends=guest.get("suspends"), async_faults=guest.counter("sleep"),
                     asleep_at_suspends=guest.get("asleep_at_suspends"),
                     corrupt=guest.get("corrupt"))
    return v


# What kill.c does to sleeping victims, and how often.
ACTS = {"stop": 3, "trace": 3, "sigkill": 6, "exec": 3, "exit": 3, "dump": 3,
        "freeze": 1, "cgroup_kill": 1}


@scenario("kvm-kill")
def kvm_kill(sabotage):
    """What can happen to a process while it waits. Sabotage "harmless": nothing does."""
    known_sabotage("kvm-kill", sabotage, ("harmless",))
    guest = L2("kill", f"{sabotaged(sabotage)} load.kill=1 load.tasks=4 load.mb=32 "
               "load.secs=60 load.alone=1", vcpus=2, limit=400)
    v = alone("kvm-kill", guest, memory="120M", reads=READS // 2)
    check_guest(v, guest)
    for act, times in ACTS.items():
        least(v, guest, f"{act} of a sleeper", f"{act}_good", times)
    wait = guest.get("wait_ms", 0)
    for act in ("sigkill", "exec", "exit", "dump"):
        for what in ("left_ms", "ms"):
            took = guest.all(f"{act}_{what}")
            v.metrics[f"{act}_{what}"] = statistics.median(took) if took else -1
    kill = v.metrics["sigkill_left_ms"]
    v.check("kill: SIGKILL ends a wait at once", 0 < kill < wait / 4,
            f"{kill} ms, where a wait takes {wait} ms")
    v.check("kill: the memory of who was left verified", guest.get("victims_corrupt") == 0,
            guest.get("victims_corrupt"))
    ended_waits = sum(ACTS[act] for act in ("sigkill", "exec", "exit", "dump"))
    least(v, guest, "the waits that a signal ended are counted", "counter.abandoned",
          ended_waits)
    least(v, guest, "their late READY was dropped", "counter.dropped", 1)
    v.metrics.update(wait_ms=wait, abandoned=guest.counter("abandoned"),
                     dropped=guest.counter("dropped"),
                     freeze_ms=guest.get("freeze_ms"),
                     cgroup_kill_ms=guest.get("cgroup_kill_ms"),
                     cgroup_killed_asleep=guest.get("cgroup_killed_asleep"),
                     corrupt=guest.get("corrupt"))
    return v


def window(guest, alone_speed):
    """Overlap between postcopy_begin and postcopy_end, from the ticks."""
    inside, ticks = False, []
    for key, value in guest.heard:
        if key.startswith("postcopy_"):
            inside = key == "postcopy_begin"
        elif key == "tick" and inside:
            ticks.append(tuple(int(n) for n in value.split()))
    if len(ticks) < 2 or not alone_speed:
        return None
    (t0, c0), (t1, c1) = ticks[0], ticks[-1]
    return round((c1 - c0) / (t1 - t0) * 1000 / alone_speed, 3)


@scenario("kvm-postcopy")
def kvm_postcopy(sabotage):
    """Moved to another QEMU by post-copy, without and with pvfault."""
    known_sabotage("kvm-postcopy", sabotage)
    rate = 2048
    v = rig.Verdict("kvm-postcopy")
    guests = [L2(name, f"{line} load.mb=64 load.secs=45 load.tick=1", mib=160, limit=240)
              for name, line in (("off", "pvfault=off"), ("on", sabotaged(sabotage)))]
    for guest in guests:
        guest.steps = f"postcopy {rate}"
    v.check("the host's console is clean",
            not run_guests("kvm-postcopy", guests, memory="max", reads=0))
    overlap = {}
    for guest in guests:
        check_guest(v, guest, asynchronous=guest.name == "on")
        overlap[guest.name] = window(guest, guest.get("compute_alone"))
        seconds = guest.get("postcopy_end", 0) - guest.get("postcopy_begin", 0)
        v.check(f"{guest.name}: post-copy took a while", seconds > 5, f"{seconds:.1f} s")
        v.metrics.update({f"overlap_{guest.name}": overlap[guest.name],
                          f"postcopy_s_{guest.name}": round(seconds, 1),
                          f"worst_touch_ms_{guest.name}": guest.get("worst_touch_ms")})
    off, on = overlap["off"] or 0, overlap["on"] or 0
    v.check("overlap_on >= 2 x overlap_off in the post-copy phase", on >= 2 * off > 0,
            f"{on} against {off}")
    v.metrics.update(kbytes_per_second=rate, async_faults=guests[1].counter("sleep"),
                     corrupt=sum(g.get("corrupt", -1) for g in guests))
    return v


@scenario("kvm-lost-vector")
def kvm_lost_vector(sabotage):
    """MSR_KVM_ASYNC_PF_INT is lost, as by a bad restore; and the local APIC is off
    for a while. Sabotage "kept": neither happens."""
    only_sabotage("kvm-lost-vector", sabotage, "kept")
    line = "pvfault=on load.secs=12 load.alone=1 msr.allow_writes=on"
    lose = int(sabotage != "kept")
    vector = L2("lost-vector", f"{line} load.novector={lose}")
    apic = L2("no-apic", f"{line} load.noapic={lose}")
    v = rig.Verdict("kvm-lost-vector")
    v.check("the host's console is clean",
            not run_guests("kvm-lost-vector", [vector, apic], reads=4 * READS))
    for guest in (vector, apic):
        check_guest(v, guest)
        v.check(f"{guest.name}: no wait ran into its deadline",
                guest.counter("retry") == 0, guest.counter("retry"))
        v.metrics[f"recovery_ms_max_{guest.name}"] = guest.get("worst_touch_ms")
    v.check("lost-vector: a repair comes within 1 to 2 s, with a read's time on top",
            vector.get("worst_touch_ms", 1e9) < 3000, vector.get("worst_touch_ms"))
    seen = vector.all("vector_before")
    v.check("lost-vector: a repair brings the vector back",
            len(seen) > 1 and seen[0] not in (0, -1) and set(seen) == {seen[0]}, seen)
    least(v, apic, "the local APIC was off", "apic_off", 2)
    v.metrics.update(repairs=vector.counter("repair"), vectors_lost=len(seen),
                     corrupt=vector.get("corrupt", -1) + apic.get("corrupt", -1))
    return v


@scenario("kvm-out-again")
def kvm_out_again(sabotage):
    """Pages whose READY waits behind a lost one go out again and are touched again:
    the vCPU can't go on before the slot is emptied. Sabotage "kept": none is lost."""
    only_sabotage("kvm-out-again", sabotage, "kept")
    guest = L2("out-again", "pvfault=on load.secs=12 load.alone=1 load.common=1 "
               "load.mb=144")
    lose = 0 if sabotage == "kept" else 200
    guest.before = (f"echo {lose} >/sys/module/kvm/parameters/lose_interrupt; "
                    "trace kvm_async_pf_repeated_fault")
    guest.steps = "press 20"
    v = alone("kvm-out-again", guest, reads=4 * READS, l1_kernel=rig.kernel("hostile"))
    check_guest(v, guest)
    least(v, guest, "pages on their way were touched again", "repeated_faults", 1)
    least(v, guest, "lost interrupts were repaired", "counter.repair", 1)
    v.metrics.update(repeated_faults=guest.get("repeated_faults"),
                     recovery_ms_max=guest.get("worst_touch_ms"),
                     retries=guest.counter("retry"), corrupt=guest.get("corrupt"))
    return v


@scenario("kvm-stock-hang")
def kvm_stock_hang(sabotage):
    """For the record: stock Linux, whose host loses one interrupt in a thousand.
    Sabotage "kept": it loses none."""
    only_sabotage("kvm-stock-hang", sabotage, "kept")
    stock = L2("stock", "load.secs=8 load.alone=1", limit=150)
    stock.kernel = rig.kernel("main", "stock")
    lose = 0 if sabotage == "kept" else 1000
    stock.before = f"echo {lose} >/sys/module/kvm/parameters/lose_interrupt"
    v = rig.Verdict("kvm-stock-hang")
    run_guests("kvm-stock-hang", [stock], reads=4 * READS, l1_kernel=rig.kernel("hostile"))
    v.check("stock: it walked its memory", "walk" in stock.all("phase"))
    v.check("stock: and never came to its end", not stock.done, f"exit {stock.get('exit')}")
    return v


@scenario("soak")
def soak(sabotage):
    """All of it at random: SOAK_SECS of the guest's time (30 minutes), SOAK_SEED."""
    known_sabotage("soak", sabotage)
    secs = int(os.environ.get("SOAK_SECS", 1800))
    seed = int(os.environ.get("SOAK_SEED", random.randrange(1 << 31)))
    rig.say(f"SOAK_SEED={seed} SOAK_SECS={secs}")
    guest = L2("soak", f"{sabotaged(sabotage)} load.secs={secs} load.alone=1 "
               "load.sample=1 load.hotplug=1 load.suspend=1 load.kill=1 load.mb=64",
               vcpus=3, limit=300 + 4 * secs)
    guest.steps = f"soak {seed}"
    v = alone("soak", guest, reads=2 * READS)
    check_guest(v, guest)
    least(v, guest, "something befell it", "acts", secs / 60)
    for key, slack in (("slab", 4096), ("available", 8192)):
        gone = abs(guest.get(f"{key}.after", 1e9) - guest.get(f"{key}.before", 0))
        v.check(f"soak: {key} memory is back where it began", gone < slack, f"{gone} KiB")
        v.metrics[f"{key}_change_kib"] = gone
    v.metrics.update(seed=seed, seconds=secs, acts=guest.get("acts"),
                     suspends=guest.get("suspends"),
                     cpu_switches=guest.get("cpu_switches"),
                     async_faults=guest.counter("sleep"), retries=guest.counter("retry"),
                     worst_touch_ms=guest.get("worst_touch_ms"),
                     corrupt=guest.get("corrupt"))
    return v
