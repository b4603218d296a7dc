# SPDX-License-Identifier: GPL-2.0
"""overlap-user, overlap-kernel, overlap-alloc: kvm-swap with a stock kernel beside
pvfault, in one boot of the host and in turns, so that all meet the same noise. The tasks
touch their memory in user mode, let the kernel do it with pread, or allocate it anew."""

import report
import rig
from kvm import L2, run_guests
from kernelmode import rejections

ROUNDS = 2


def build():
    for tree in ("stock", "pvfault"):
        rig.run(rig.ROOT / "scripts/kernel.sh", tree, "main")


def guest(kind, number, load, **more):
    """One of report.KINDS."""
    if kind == "stock":
        return L2(f"{kind}{number}", load, kernel=rig.kernel("stock/main"), **more)
    mode = "off" if kind == "off" else "kernel"
    return L2(f"{kind}{number}", f"pvfault={mode} {load}", **more)


def run_in_turns(folder, load, rounds, *, guest_options=None, **boot):
    """Run guests of all KINDS in turns in one boot of the host. LOAD may be one for each
    kind. Return a list of them for each kind, and all of them in their order."""
    loads = load if isinstance(load, dict) else dict.fromkeys(report.KINDS, load)
    guests = {kind: [guest(kind, i, loads[kind], **(guest_options or {}))
                     for i in range(rounds)] for kind in report.KINDS}
    turns = [guests[kind][i] for i in range(rounds) for kind in report.KINDS]
    run_guests(folder, turns, **boot)
    # Now and then the host finds no page to take, and ends a guest; see kvm.py.
    ended = [g for g in turns if g.get("exit") == 137 and g.get("oom_kills")]
    if ended:
        rig.say(f"{', '.join(g.name for g in ended)}: ended by the host, for want of memory; "
                "once more")
        for g in ended:
            g.said, g.heard = {}, []
        run_guests(f"{folder}-again", ended, **boot)
    return guests, turns


def in_turns(v, load, rounds, reads, memory="150M", **guest_options):
    """The same with a load that verifies its memory; say what came out."""
    guests, turns = run_in_turns(v.name, load, rounds, guest_options=guest_options,
                                 reads=reads, memory=memory)
    for g in turns:
        v.check(f"{g.name}: ended, memory verified", g.done and g.get("corrupt") == 0,
                g.get("overlap"))
    v.metrics["reads_per_second"] = reads
    v.metrics["guests"] = {
        g.name: {"overlap": g.get("overlap"), "touches": g.get("touches"),
                 "worst_touch_ms": g.get("worst_touch_ms")} for g in turns}
    for g in guests["pvfault"]:
        v.metrics["guests"][g.name].update(
            sleeps=g.counter("sleep"), in_kernel=g.counter("sleep_kernel"),
            rejections=rejections(g))
    return guests


def overlap(v, reads, load, least, rounds=ROUNDS):
    """pvfault has to be LEAST times stock."""
    rig.say(f"{v.name}: a boot of the host with {3 * rounds} guests, up to {6 * rounds} "
            "minutes, and 7 more, cold, for building the kernels")
    build()
    guests = in_turns(v, load, rounds, reads)
    rows = {kind: [g.get("overlap", 0) for g in guests[kind]] for kind in guests}
    stock, ours = (report.median(rows[kind]) for kind in ("stock", "pvfault"))
    report.note(v, f"overlap at {reads} reads/s", "of alone", False,
                f"{least} x stock" if least > 1 else "stock's",
                ours >= least * stock > 0, **rows)
    v.metrics["ratio_to_stock"] = round(ours / stock, 3) if stock else None


# Here pvfault and stock do the same for the computing task, so nothing else may take much of
# its time. Without a rest the others walk the pages that are present as fast as they can, by
# chance 3 or 18 million of them in a minute. The computing task is measured alone in between,
# because the machine's speed changes.
USER_LOAD = "load.rest=5 load.secs=40 load.turns=8 load.alone=1"
USER_ROUNDS = 3


def user(v):
    overlap(v, 100, USER_LOAD, 1, USER_ROUNDS)


def user_60(v):
    overlap(v, 60, USER_LOAD, 1, USER_ROUNDS)


def user_400(v):
    overlap(v, 400, USER_LOAD, 1, USER_ROUNDS)


def kernel(v):
    overlap(v, 100, "load.way=pread", 5)


def alloc(v):
    overlap(v, 100, "load.way=fresh", 1)
