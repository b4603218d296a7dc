# SPDX-License-Identifier: GPL-2.0
"""KVM guests to which something happens while tasks wait: saved, moved, suspended, their
processes are killed. Nothing may be lost."""

import os
import random
import statistics

import kvm
import life
import rig
from checks import READS, USUAL, check_guest, least
from kvm import ANSWERS, L2, told_turns, usual_line
from registry import scenario, show_sabotages


@scenario(minutes=15)
def life_sabotage(v):
    """The scenarios of KVM guests to which something happens can fail: their own sabotages,
    in one boot of the host."""
    yield from show_sabotages(v)


def ready_alls(guest):
    """How often there was READY for all since the walk began, as load.sample=1 says."""
    samples = [value for value in guest.all("asleep") if isinstance(value, str)]
    return guest.counter("wake_all") - int(samples[0].split()[1]) if samples else 0


def woken_by_all(guest):
    """How many sleeps READY for all has ended: each other READY ended one, or was
    remembered or dropped."""
    c = guest.counter
    return c("wake") - (c("ready") - c("early") - c("dropped"))


def check_restored(v, guest, rounds):
    check_guest(v, guest)
    least(v, guest, f"restored {rounds} times", "restored", rounds)
    v.check(f"{guest.name}: each restore was a READY for all",
            ready_alls(guest) >= rounds, ready_alls(guest))
    v.metrics.update(restores=guest.get("restored"),
                     asleep_at_save=round(woken_by_all(guest) / rounds, 1),
                     async_faults=guest.counter("sleep"), retries=guest.counter("retry"),
                     worst_touch_ms=guest.get("worst_touch_ms"),
                     corrupt=guest.get("corrupt"))


@scenario(minutes=8, also=USUAL, sabotages={"once": "restored 3 times"},
          shown_by="life-sabotage")
def kvm_snapshot(v, sabotage):
    """Saved to a file and restored into a new QEMU 20 times (``SNAPSHOT_ROUNDS=``), with
    dozens of tasks asleep. Sabotage "once": only once."""
    rounds = 3 if sabotage else int(os.environ.get("SNAPSHOT_ROUNDS", 20))
    guest = L2("snapshot", f"{usual_line(sabotage)} load.tasks=48 load.mb=56 "
               f"load.rest=20 load.secs={rounds * 12} load.alone=1 load.sample=1",
               mib=128, limit=240 + 30 * rounds, steps=lambda guest: life.restore_often(
                   guest, 1 if sabotage == "once" else rounds, many=12, more=32))
    guest.memory, guest.strict = "56M", False
    yield kvm.host(guest)
    check_restored(v, guest, rounds)
    asleep = v.metrics["asleep_at_save"]
    v.check("snapshot: dozens of tasks slept at a save, on average", asleep >= 24, asleep)


@scenario(minutes=2, shown_by="life-sabotage",
          sabotages={"offered": "the backend is gone, and says why"})
def kvm_snapshot_refused(v, sabotage):
    """Restored, with tasks asleep, by a QEMU that offers no async page faults: the tasks go
    on, the backend goes and sysfs says why. Sabotage "offered": the new QEMU offers them."""
    def steps(guest):
        guest.walk(8)
        life.restore(guest, 4, "" if sabotage else
                     f"{guest.cpu},kvm-asyncpf=off,kvm-asyncpf-int=off")
        guest.pause(45)
        guest.host.write(ANSWERS, "enough")

    guest = L2("refused", "load.mb=64 load.told=ttyS1 load.secs=2 load.alone=1 load.sample=1",
               mib=160, steps=steps)
    guest.memory, guest.strict = "90M", False
    yield kvm.host(guest)
    check_guest(v, guest)
    v.check("refused: the backend is gone, and says why", guest.get("pvfault.backend") ==
            "none: this KVM host no longer offers async page faults",
            guest.get("pvfault.backend"))
    said = guest.console.count("this host no longer offers async page faults")
    v.check("refused: the log says it once", said == 1, said)
    v.metrics.update(async_faults=guest.counter("sleep"), retries=guest.counter("retry"))


@scenario(minutes=4, also=USUAL)
def kvm_nested_restore(v, sabotage):
    """Saved and restored 5 times: a guest that runs guests, with NMIs (from QEMU's monitor,
    because TCG has no PMU)."""
    rounds = 5
    guest = L2("nested-restore", f"{usual_line(sabotage)} load.tasks=4 load.mb=64 "
               f"load.guest=2 load.secs={rounds * 16} load.alone=1 load.sample=1",
               mib=160, limit=420, steps=lambda guest: life.restore_often(
                   guest, rounds, many=2, nmis=20))
    guest.cpu, guest.memory, guest.strict = kvm.NESTED_CPU, "90M", False
    yield kvm.host(guest, reads=4 * READS)
    check_restored(v, guest, rounds)
    kvm.check_nested(v, guest)
    least(v, guest, "notifications came as #PF vmexits", "counter.deferred", 1)
    nmis = guest.console.count("NMI received for unknown reason")
    v.check("nested-restore: NMIs came", nmis > 0, nmis)
    v.metrics.update(nmis=nmis, by_vmexit=guest.counter("deferred"))


@scenario(minutes=2, quick=True, also=USUAL, shown_by="life-sabotage",
          sabotages={"awake": "suspended at each depth, and once more"})
def kvm_suspend(v, sabotage):
    """Suspended again and again (``/sys/power/pm_test``), and left by a kexec that jumps
    back; L1 traces MSR_KVM_ASYNC_PF_EN. Sabotage "awake": it is never suspended."""
    guest = L2("suspend", f"{usual_line(sabotage)} load.secs=50 load.alone=1 "
               f"load.suspend={int(sabotage != 'awake')}", vcpus=2, steps=life.quit_when_done)
    guest.trace = kvm.MSR_WRITES
    yield kvm.host(guest)
    check_guest(v, guest)
    least(v, guest, "suspended at each depth, and once more", "suspends", 5)
    least(v, guest, "tasks slept when it was", "asleep_at_suspends", 5)
    v.check("suspend: async faults also after the last one",
            guest.counter("sleep") > guest.get("sleep_at_last_suspend", 1e9),
            guest.counter("sleep"))
    # The last off is the guest's end.
    off = [turns.count(False) for turns in told_turns(guest)]
    v.check("suspend: each vCPU told its host to be quiet each time",
            len(off) == guest.vcpus and min(off) > guest.get("suspends", 1e9), off)
    v.metrics.update(suspends=guest.get("suspends"), async_faults=guest.counter("sleep"),
                     asleep_at_suspends=guest.get("asleep_at_suspends"),
                     corrupt=guest.get("corrupt"))


# Acts of kill.c on sleeping processes, and how often each at least.
ACTS = {"stop": 3, "trace": 3, "sigkill": 4, "exec": 3, "exit": 3, "dump": 3,
        "freeze": 1, "cgroup_kill": 1}


@scenario(minutes=3, also=USUAL, sabotages={"harmless": "sigkill of a sleeper"},
          shown_by="life-sabotage")
def kvm_kill(v, sabotage):
    """Signals, ptrace, core dump, exec, exit, freezer and ``cgroup.kill`` for tasks that
    wait. Sabotage "harmless": nothing happens to a process."""
    # kill.c knows "harmless".
    line = "pvfault=on load.sabotage=harmless" if sabotage == "harmless" else \
        usual_line(sabotage)
    guest = L2("kill", f"{line} load.kill=1 load.tasks=4 load.mb=32 "
               "load.rest=20 load.secs=5 load.alone=1", vcpus=2, limit=400)
    guest.memory = "130M"
    yield kvm.host(guest)
    check_guest(v, guest)
    for act, times in ACTS.items():
        least(v, guest, f"{act} of a sleeper", f"{act}_good", times)
    for act in ("sigkill", "exec", "exit", "dump"):
        for what in ("left_ms", "ms"):
            took = guest.all(f"{act}_{what}")
            v.metrics[f"{act}_{what}"] = statistics.median(took) if took else -1
    v.check("kill: the memory of what is left verified", guest.get("victims_corrupt") == 0,
            guest.get("victims_corrupt"))
    # The counter has only waits that a signal ended before READY came.
    ended = guest.counter("abandoned")
    v.check("kill: SIGKILL ends a wait", ended >= ACTS["sigkill"], ended)
    # More READYs are dropped: those of rejected notifications, too.
    least(v, guest, "their late READY was dropped", "counter.dropped", ended)
    v.metrics.update(wait_ms=guest.get("wait_ms"), abandoned=guest.counter("abandoned"),
                     dropped=guest.counter("dropped"),
                     freeze_ms=guest.get("freeze_ms"),
                     cgroup_kill_ms=guest.get("cgroup_kill_ms"),
                     cgroup_killed_asleep=guest.get("cgroup_killed_asleep"),
                     corrupt=guest.get("corrupt"))


def window(guest, alone_speed):
    """Overlap from the move to the end of post-copy, from the ticks."""
    inside, ticks = False, []
    for key, value in guest.heard:
        if key in ("moved", "postcopy_end"):
            inside = key == "moved"
        elif key == "tick" and inside:
            ticks.append(tuple(int(n) for n in value.split()))
    if len(ticks) < 2 or not alone_speed:
        return None
    (t0, c0), (t1, c1) = ticks[0], ticks[-1]
    return round((c1 - c0) / (t1 - t0) * 1000 / alone_speed, 3)


@scenario(minutes=4, also=USUAL)
def kvm_postcopy(v, sabotage):
    """Moved to another QEMU by post-copy over a slow channel, without and with pvfault."""
    rate = 2048
    guests = [L2(name, f"{line} load.mb=64 load.secs=45 load.tick=1", mib=160, limit=240,
                 steps=lambda guest: life.postcopy(guest, rate))
              for name, line in (("off", "pvfault=off"), ("on", usual_line(sabotage)))]
    yield kvm.host(*guests, memory="max", reads=0)
    overlap = {}
    for guest in guests:
        check_guest(v, guest, asynchronous=guest.name == "on")
        overlap[guest.name] = window(guest, guest.get("compute_alone"))
        seconds = guest.get("postcopy_end", 0) - guest.get("moved", 0)
        v.check(f"{guest.name}: post-copy took a while", seconds > 5, f"{seconds:.1f} s")
        v.metrics.update({f"overlap_{guest.name}": overlap[guest.name],
                          f"postcopy_s_{guest.name}": round(seconds, 1),
                          f"worst_touch_ms_{guest.name}": guest.get("worst_touch_ms")})
    off, on = overlap["off"] or 0, overlap["on"] or 0
    v.check("overlap_on >= 2 x overlap_off in the post-copy phase", on >= 2 * off > 0,
            f"{on} against {off}")
    v.metrics.update(kbytes_per_second=rate, async_faults=guests[1].counter("sleep"),
                     corrupt=sum(g.get("corrupt", -1) for g in guests))


@scenario(minutes=35, also=USUAL)
def soak(v, sabotage):
    """The acts of kvm-snapshot, kvm-kill, kvm-suspend and kvm-hotplug, at random, for
    ``SOAK_SECS=`` seconds of the host's (1800), from ``SOAK_SEED=``."""
    secs = int(os.environ.get("SOAK_SECS", 1800))
    seed = int(os.environ.get("SOAK_SEED", random.randrange(1 << 31)))
    rig.say(f"SOAK_SEED={seed} SOAK_SECS={secs}")
    guest = L2("soak", f"{usual_line(sabotage)} load.secs=10 load.told=ttyS1 load.alone=1 "
               "load.sample=1 load.hotplug=1 load.suspend=1 load.kill=1 load.mb=64",
               vcpus=3, limit=600 + 2 * secs,
               steps=lambda guest: life.soak(guest, seed, secs))
    yield kvm.host(guest, reads=2 * READS)
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
