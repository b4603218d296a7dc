# SPDX-License-Identifier: GPL-2.0
"""The steps of the test run, and which of them when."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "rig"), str(HERE / "e2e")]
import registry  # noqa: E402
from steps import BUILD, BUILDS, Step  # noqa: E402


def make(folder, out, *what):
    return ("make", "--no-print-directory", "-C", folder, f"OUT={BUILD / out}", *what)


def python(*args):
    return ("python3", *args)


# Beside the scenarios, which tests/e2e/registry.py knows.
OTHERS = [
    Step("rig", python("tests/rig/test_rig.py"), 0.1, quick=True),
    Step("unit", make("tests/unit", "unit", "check"), 1, quick=True),
    Step("pager", make("tools/pvfault", "pager"), 0.2, quick=True),
    Step("warm", make("tools/pvfault/warm", "warm"), 0.1, quick=True),
    Step("pager unit", make("tests/pager", "pager-unit", "check"), 2, quick=True),
    Step("stat", python("tests/stat/test_stat.py"), 0.5, quick=True),
    Step("messages", python("tests/stat/test_messages.py"), 0.1, quick=True),
    Step("apply", python("tests/apply/test_apply.py"), 1, quick=True),
    Step("menuconfig", python("tests/matrix/test_menu.py"), 0.5, ("main",)),
    Step("matrix", python("tests/matrix/matrix.py"), 60),
    Step("report lanes", python("tests/report/test_lanes.py"), 0.1, quick=True),
    Step("report", python("tests/report/run.py", "kvm", "--check"), 5, ("main",)),
    Step("report HV=xen", python("tests/report/run.py", "xen", "--check"), 6, ("main", "xen")),
    Step("lint", ("scripts/lint.sh",), 3, ("main",)),
    Step("unit mutants", make("tests/unit", "unit", "mutants"), 2),
    Step("pager fuzz", make("tests/pager", "pager-unit", "FUZZ_SECS=300", "fuzz"), 6),
    Step("proof", python("tests/proof/proof.py"), 8),
    Step("builds", python("tests/e2e/builds.py"), 0.2, ("main", "off", "bare", "debug")),
    Step("coverage", python("tests/proof/coverage.py"), 15, ("main", "hostile", "xen", "gcov")),
    # These build the kernels that they compare.
    Step("hotpath", python("tests/bench/run.py", "hotpath"), 4, ("main", "off", "stock/main")),
    Step("table", python("tests/bench/run.py", "table"), 2, ("stock/main",)),
    Step("ready", python("tests/bench/run.py", "ready"), 1, ("main",)),
]


def e2e(scenario):
    """The step of one scenario."""
    return Step(scenario.name, python("tests/e2e/run.py", scenario.name), scenario.minutes,
                scenario.kernels, scenario.quick)


def soonest(step):
    """The order that finds mistakes soonest: first the steps of "make test", last those that
    take long; within that, first those that need few builds, then the short ones."""
    last = max((list(BUILDS).index(name) for name in step.builds), default=-1)
    return not step.quick, step.minutes > 10, last, step.minutes


def everything():
    """All steps but the builds."""
    return sorted([*OTHERS, *map(e2e, registry.load().values())], key=soonest)


def slice_of(minutes, plan, known, built):
    """The steps of PLAN that have not been run for longest, as far as HISTORY knows, and that
    fit into so many MINUTES. The time to build what a step needs and is not BUILT counts."""
    left, chosen, too_long, there = 60 * minutes, [], [], set()
    for step in sorted(plan, key=lambda step: known.get(step.name, {}).get("last", 0)):
        new = set(step.builds) - there
        cost = known.get(step.name, {}).get("seconds", 60 * step.minutes) + sum(
            30 if built(name) else 60 * BUILDS[name] for name in new)
        if cost <= left:
            left -= cost
            chosen.append(step)
            there |= new
        elif cost > 60 * minutes:
            too_long.append(step.name)
    if too_long:
        print(f"longer than {minutes:g} minutes, not run: {', '.join(too_long)}")
    return sorted(chosen, key=plan.index)
