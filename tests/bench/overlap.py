# SPDX-License-Identifier: GPL-2.0
"""overlap-user: kvm-swap with a stock kernel beside pvfault, in one boot of the
host and in turns, so that all meet the same noise."""

import statistics

import rig
from kvm import L2, run_guests

ROUNDS = 2
RATES = (100, 400)
KERNELS = ("off", "stock", "pvfault")


def guest(name, number):
    if name == "stock":
        return L2(f"{name}{number}", "", kernel=rig.kernel("main", "stock"))
    return L2(f"{name}{number}", f"pvfault={'off' if name == 'off' else 'on'}")


def overlap_user():
    rig.say(f"overlap-user: {len(RATES)} boots of the host with {3 * ROUNDS} guests each, "
            "25 minutes, and 10 more, cold, for building the kernels")
    for tree in ("stock", "pvfault"):
        rig.run(rig.ROOT / "scripts/kernel.sh", tree, "main")
    v = rig.Verdict("overlap-user")
    rows = {}
    for rate in RATES:
        guests = [guest(name, i) for i in range(ROUNDS) for name in KERNELS]
        run_guests(f"overlap-{rate}", guests, reads=rate)
        for g in guests:
            name = g.name.rstrip("0123456789")
            v.check(f"{rate} reads/s, {g.name}: ended, memory verified",
                    g.done and g.get("corrupt") == 0)
            rows.setdefault((rate, name), []).append(g.get("overlap", 0))

    print(f"\n  {'overlap: speed among paging tasks / alone':<44}"
          + "".join(f"{name:>16}" for name in KERNELS))
    for rate in RATES:
        cells = [f"{statistics.median(rows[rate, n]):.3f}" for n in KERNELS]
        print(f"  {f'1 vCPU, {rate} reads/s, median of {ROUNDS}':<44}"
              + "".join(f"{c:>16}" for c in cells))
        stock, ours = (statistics.median(rows[rate, n]) for n in ("stock", "pvfault"))
        v.check(f"{rate} reads/s: not behind stock", ours >= stock,
                f"{ours:.3f} against {stock:.3f}")
        v.metrics[f"ratio_to_stock_{rate}"] = round(ours / stock, 3) if stock else None
    print()
    v.metrics["rows"] = {f"{name} {rate}": r for (rate, name), r in rows.items()}
    return v
