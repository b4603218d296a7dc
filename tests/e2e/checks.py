# SPDX-License-Identifier: GPL-2.0
"""Checks that every guest must pass, under any hypervisor."""

import math
import statistics

import rig

# Read rate of the host's swap while guests are measured.
READS = 100

# Sabotages of the load that any guest runs, and the check that each must turn red.
USUAL = {
    "flip": "memory verified",
    "hang": "came to its end",
    "warning": "consoles are clean",
    "early": "nobody is left asleep",
    "off": "async faults happened",
}


def check_guest(v, guest, asynchronous=True):
    """Checks that every guest must pass, in any scenario."""
    name = guest.name
    v.check(f"{name}: came to its end", guest.done, f"exit {guest.get('exit')}")
    v.check(f"{name}: memory verified", guest.get("corrupt") == 0,
            f"{guest.get('corrupt')} wrong words")
    v.check(f"{name}: consoles are clean", not guest.trouble, guest.trouble[:3])
    v.check(f"{name}: its host had memory for it", guest.get("oom_kills", 0) == 0)
    if not asynchronous:
        return
    c = guest.counter
    v.check(f"{name}: async faults happened", c("sleep") > 100, c("sleep"))
    v.check(f"{name}: nobody is left asleep", guest.get("pvfault.outstanding") == 0,
            guest.get("pvfault.outstanding"))
    ends = c("wake") + c("retry") + c("probe") + c("abandoned")
    v.check(f"{name}: every sleep has ended once", c("sleep") == ends,
            f"{c('sleep')} = {c('wake')} + {c('retry')} + {c('probe')} + {c('abandoned')}")
    v.check(f"{name}: the length of each was measured",
            ends - c("probe") == c("waits_user") + c("waits_kernel"),
            f"{ends} - {c('probe')} = {c('waits_user')} + {c('waits_kernel')}")
    v.check(f"{name}: every NOT_PRESENT is accounted for",
            c("not_present") + c("probe_held") == c("sleep") + c("early_hit") + c("rejected"),
            f"{c('not_present')} + {c('probe_held')} = {c('sleep')} + {c('early_hit')} + "
            f"{c('rejected')}")


def least(v, guest, what, key, want):
    """Check that GUEST reported at least WANT under KEY: so often WHAT happened."""
    seen = guest.get(key, 0)
    v.check(f"{guest.name}: {what}", isinstance(seen, float) and seen >= want, seen)


def chance(*samples):
    """Two standard errors of the difference of the means of two SAMPLES: what chance alone
    explains. Of single values nothing is known, so 0."""
    return 2 * math.sqrt(sum(statistics.variance(values) / len(values) for values in samples
                             if len(values) > 1))


def figures(off, on):
    return {"overlap_off": off.get("overlap"), "overlap_on": on.get("overlap"),
            "async_faults": on.counter("sleep"), "retries": on.counter("retry"),
            "corrupt": off.get("corrupt", -1) + on.get("corrupt", -1),
            "corrupt_off": off.get("corrupt"), "corrupt_on": on.get("corrupt"),
            "worst_touch_ms": on.get("worst_touch_ms"),
            "worst_touch_off_ms": off.get("worst_touch_ms"),
            "reads_per_second": READS}


def side_by_side(v, boot):
    """Check that pvfault gives 3 times the overlap. BOOT boots a guest without and one with
    pvfault, measured one after the other, and returns both. If the ratio is too low,
    something else may have had the CPU meanwhile: then it is done twice more, and the
    median of the three decides. Return: the guests of the median."""
    pairs = [(yield from boot())]
    if ratio(pairs[0]) < 3:
        rig.say(f"{v.name}: {ratio(pairs[0]):.1f} times only; twice more, for the median")
        for _ in range(2):
            pairs.append((yield from boot()))
    off, on = sorted(pairs, key=ratio)[len(pairs) // 2]
    v.check("overlap_on >= 3 x overlap_off", ratio((off, on)) >= 3,
            f"{on.get('overlap')} against {off.get('overlap')}")
    v.metrics.update(figures(off, on))
    v.metrics["overlaps"] = [[g.get("overlap") for g in pair] for pair in pairs]
    return off, on


def ratio(pair):
    off, on = (guest.get("overlap", 0) for guest in pair)
    return on / off if off else 0
