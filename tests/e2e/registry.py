# SPDX-License-Identifier: GPL-2.0
"""Scenarios. Each is declared at its function, and nowhere else.

    @scenario(kernels=("main", "hostile"), minutes=2,
              sabotages={"kept": "lost interrupts were repaired"})
    def kvm_out_again(v, sabotage):
        \"\"\"Its text, in a line or two, goes to testing.rst.\"\"\"
        guest = L2("out-again", ...)
        yield kvm.host(guest, reads=2000)       # boots it; goes on when it has ended
        check_guest(v, guest)

It stands in a file scenarios_*.py, is called kvm-out-again, and gets the Verdict to
fill in; and, if it knows any, the name of a sabotage, "" for none. From the declaration
follow what "make e2e" builds for it, the steps of "make test" and "make test-all", the
lists for people, and what the scenarios *-sabotage do.
"""

import dataclasses
import importlib
import inspect
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping

import rig
from guests import Plan, together
from steps import EMULATOR

HERE = pathlib.Path(__file__).resolve().parent
ALL: dict[str, "Scenario"] = {}
HOST_CLEAN = "the consoles of the host are clean"


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One of them; see scenario()."""

    name: str
    text: str
    function: Callable
    boots: tuple[str, ...]
    minutes: float
    quick: bool
    sabotages: Mapping[str, str]
    also: Mapping[str, str]
    shown_by: str
    alone: bool

    @property
    def known(self) -> dict[str, str]:
        """All its sabotages, and the check that each must turn red."""
        return {**self.also, **self.sabotages}

    @property
    def kernels(self) -> tuple[str, ...]:
        """The builds that it needs."""
        theirs = (kernel for s in ALL.values() if s.shown_by == self.name
                  for kernel in s.boots)
        return tuple(dict.fromkeys((*self.boots, *theirs)))

    def steps(self, v: rig.Verdict, sabotage: str = "") -> Iterator[Plan]:
        """Its boots, one after the other. It goes on when the next one is asked for."""
        if sabotage and sabotage not in self.known:
            raise rig.Failure(f"{self.name} knows no sabotage '{sabotage}', but "
                              f"{', '.join(self.known) or 'none'}.")
        yield from self.function(*((v, sabotage) if self.known else (v,))) or ()

    def judge(self, sabotage: str = "") -> rig.Verdict:
        """Run it; again if it was red and that was the emulator's own fault."""
        for left in (1, 0):
            plans: list[Plan] = []
            verdict = rig.judge(self.name, self.play, sabotage, plans)
            fault = emulators_fault(verdict, plans)
            if not left or not fault:
                break
            rig.say(f"{EMULATOR}{fault}")
        return verdict

    def play(self, v: rig.Verdict, sabotage: str, plans: list[Plan]) -> None:
        """Run it, and add to PLANS what it has booted."""
        for plan in self.steps(v, sabotage):
            plans.append(plan)
            trouble = plan.run(v.name)
            if plan.host_clean:
                v.check(HOST_CLEAN, not trouble, trouble[:3])
        if sabotage:
            red = turned_red(v, self.known[sabotage])
            rig.say(f"sabotage {sabotage} is "
                    f"{'found, by' if red else 'NOT found by'}: {self.known[sabotage]}")


def scenario(*, kernels: Iterable[str] = ("main",), minutes: float, quick: bool = False,
             name: str = "", sabotages: Mapping[str, str] | None = None,
             also: Mapping[str, str] | None = None, shown_by: str = "",
             alone: bool = False) -> Callable:
    """Register the function as a scenario.

    KERNELS  what it boots: [TREE/]CONFIG as for scripts/kernel.sh, and "xen"
    MINUTES  what it takes on two busy cores, the kernels built
    QUICK    it is a part of "make test"
    NAME     if it isn't the function's, with "-" for "_"
    SABOTAGES  how it can be broken, and how the name of the check begins that must turn
             red then, but for "GUEST: "
    ALSO     the same for sabotages that another scenario shows
    SHOWN_BY the scenario that shows, for all SABOTAGES, that the check turns red
    ALONE    there each of them has a boot of its own, because its check looks at the host
    """
    def add(function: Callable) -> Callable:
        text = " ".join((function.__doc__ or "").split())
        own = Scenario(name or function.__name__.replace("_", "-"), text, function,
                       tuple(kernels), minutes, quick, sabotages or {}, also or {}, shown_by,
                       alone)
        if not text:
            raise TypeError(f"{own.name} has no docstring")
        if own.name in ALL:
            raise TypeError(f"there are two of {own.name}")
        if len(inspect.signature(function).parameters) != 1 + bool(own.known):
            raise TypeError(f"{own.name}: takes a sabotage, or declares one; not both")
        ALL[own.name] = own
        return function
    return add


def load() -> dict[str, Scenario]:
    """Import all scenarios. Return them by their names."""
    for path in sorted(HERE.glob("scenarios_*.py")):
        importlib.import_module(path.stem)
    return ALL


def turned_red(v: rig.Verdict, want: str) -> bool:
    """Has the check failed whose name, after that of its guest, begins with WANT?"""
    return any(text.startswith(want) for c in v.checks if not c["pass"]
               for text in (c["name"], c["name"].partition(": ")[2]))


def emulators_fault(v: rig.Verdict, plans: list[Plan]) -> str:
    """The emulator's message when it failed, if V is red for nothing else: in the last boot
    one guest was cut short, and all red checks are of this one or of guests that never ran."""
    if v.ok or not plans or not plans[-1].emulator:
        return ""
    guests = [guest for plan in plans for guest in plan.guests]
    short = {guest.name for guest in guests if not guest.done}
    red = {c["name"].partition(": ")[0] for c in v.checks if not c["pass"]}
    if (red - short - {HOST_CLEAN} or any(guest.get("corrupt") for guest in guests) or
            sum(bool(guest.heard) and not guest.done for guest in guests) > 1):
        return ""
    return plans[-1].emulator


def show_sabotages(v: rig.Verdict) -> Iterator[Plan]:
    """A scenario that shows of each sabotage with shown_by=NAME that its check turns red:
    all the sabotaged guests in one boot of the host, but for those of scenarios that are
    ALONE."""
    runs = []
    for s in [s for s in ALL.values() if s.shown_by == v.name]:
        for what, want in s.sabotages.items():
            scratch = rig.Verdict(s.name, quiet=True)
            steps = s.steps(scratch, what)
            plan = next(steps, None)
            assert plan, f"{s.name} boots no host"
            for guest in plan.guests:
                guest.name += f"-{what}"
            runs.append((s, what, want, scratch, steps, plan))
    shared = [plan for s, *_, plan in runs if not s.alone]
    yield from ([together(shared)] if shared else [])
    for s, *_, plan in runs:
        if s.alone:
            plan.host_clean = False
            yield plan
    for s, what, want, scratch, steps, plan in runs:
        more = list(steps)
        assert not more, f"{s.name} boots more than once when it is sabotaged"
        failed = [c["name"] for c in scratch.checks if not c["pass"]]
        # A guest that never ran turns anything red.
        v.check(f"sabotage turns red: {s.name}, {what}: {want}", turned_red(scratch, want) and
                all(guest.heard for guest in plan.guests), failed)
