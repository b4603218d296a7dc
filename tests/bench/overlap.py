# SPDX-License-Identifier: GPL-2.0
"""overlap-user, overlap-kernel: kvm-swap with a stock kernel beside pvfault, in one
boot of the host and in turns, so that all meet the same noise. The tasks touch their
memory in user mode, or let the kernel do it with pread."""

import statistics

import rig
from kvm import L2, run_guests
from scenarios_kernel import places, rejections

ROUNDS = 2
KERNELS = ("off", "stock", "pvfault")


def guest(name, number, load):
    if name == "stock":
        return L2(f"{name}{number}", load, kernel=rig.kernel("main", "stock"))
    mode = "pvfault=off" if name == "off" else "pvfault=kernel load.places=1"
    return L2(f"{name}{number}", f"{mode} {load}")


def overlap(name, rates, load, least):
    """All KERNELS in turns under LOAD; pvfault has to be LEAST times stock."""
    rig.say(f"{name}: {len(rates)} boots of the host with {3 * ROUNDS} guests each, "
            f"{13 * len(rates)} minutes, and 10 more, cold, for building the kernels")
    for tree in ("stock", "pvfault"):
        rig.run(rig.ROOT / "scripts/kernel.sh", tree, "main")
    v = rig.Verdict(name)
    rows = {}
    for rate in rates:
        guests = [guest(kind, i, load) for i in range(ROUNDS) for kind in KERNELS]
        run_guests(f"{name}-{rate}", guests, reads=rate)
        for g in guests:
            kind = g.name.rstrip("0123456789")
            v.check(f"{rate} reads/s, {g.name}: ended, memory verified",
                    g.done and g.get("corrupt") == 0, g.get("overlap"))
            rows.setdefault((rate, kind), []).append(g.get("overlap", 0))
            if kind == "pvfault":
                v.metrics[f"{g.name} {rate}"] = {
                    "sleeps": g.counter("sleep"), "in_kernel": g.counter("sleep_kernel"),
                    "rejections": rejections(g), "rejected_at": places(g)}

    print(f"\n  {'overlap: speed among paging tasks / alone':<44}"
          + "".join(f"{kind:>16}" for kind in KERNELS))
    for rate in rates:
        cells = [f"{statistics.median(rows[rate, kind]):.3f}" for kind in KERNELS]
        print(f"  {f'1 vCPU, {rate} reads/s, median of {ROUNDS}':<44}"
              + "".join(f"{c:>16}" for c in cells))
        stock, ours = (statistics.median(rows[rate, kind]) for kind in ("stock", "pvfault"))
        v.check(f"{rate} reads/s: at least {least} x stock", ours >= least * stock,
                f"{ours:.3f} against {stock:.3f}")
        v.metrics[f"ratio_to_stock_{rate}"] = round(ours / stock, 3) if stock else None
    print()
    v.metrics["rows"] = {f"{kind} {rate}": r for (rate, kind), r in rows.items()}
    return v


def overlap_user():
    return overlap("overlap-user", (100, 400), "", 1)


def overlap_kernel():
    return overlap("overlap-kernel", (100,), "load.way=pread", 5)
