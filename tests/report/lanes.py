# SPDX-License-Identifier: GPL-2.0
"""From trace events to lanes: for each vCPU and each task, which state it was in when."""

import dataclasses
from collections.abc import Iterable, Iterator

# Shorter than this, in seconds, is part of what the vCPU does anyway.
SHORT = 0.0005

# Reasons of an exit of the guest, as KVM traces them; others are the host's own work.
STOPPED, IDLE = ("npf", "EPT_VIOLATION"), ("hlt", "HLT")


@dataclasses.dataclass(frozen=True)
class Span:
    """In STATE from BEGIN to END, in seconds."""
    begin: float
    end: float
    state: str


@dataclasses.dataclass(frozen=True)
class Lane:
    name: str
    spans: list[Span]

    def seconds(self, state: str) -> float:
        return sum(span.end - span.begin for span in self.spans if span.state == state)


def merged(spans: Iterable[Span]) -> list[Span]:
    """Neighbours in one state are one span."""
    out: list[Span] = []
    for span in spans:
        if span.end <= span.begin:
            continue
        if out and out[-1].state == span.state and span.begin <= out[-1].end:
            out[-1] = Span(out[-1].begin, max(out[-1].end, span.end), span.state)
        else:
            out.append(span)
    return out


def clipped(spans: Iterable[Span], begin: float, end: float) -> list[Span]:
    return merged(Span(max(s.begin, begin), min(s.end, end), s.state) for s in spans)


def vcpu_lane(name: str, events: Iterable[tuple[float, str]]) -> Lane:
    """EVENTS: (seconds, "" for an entry or the reason of an exit), of one vCPU."""
    def spans() -> Iterator[Span]:
        since, reason = None, ""
        for when, what in events:
            if since is not None:
                yield Span(since, when, state_of(when - since, reason))
            since, reason = when, what

    return Lane(name, merged(spans()))


def state_of(seconds: float, reason: str) -> str:
    """What a vCPU does for so long after an entry, or an exit for that REASON."""
    if reason in IDLE:
        return "idle"
    if not reason or seconds < SHORT:
        return "computing"
    return "stopped" if reason in STOPPED else "host"


def state_lane(name: str, changes: Iterable[tuple[float, str]]) -> Lane:
    """CHANGES: (seconds, its state from then on), of one vCPU."""
    seen = list(changes)
    return Lane(name, merged(
        Span(since, until, "computing" if state == "host" and until - since < SHORT else state)
        for (since, state), (until, _) in zip(seen, seen[1:])))


def task_lanes(names: dict[int, str], switches: Iterable[tuple[float, int, str, int]],
               faults: Iterable[tuple[float, int, str]]) -> list[Lane]:
    """SWITCHES: (seconds, from, its state, to), FAULTS: (seconds, task, event). A task is
    "running", "ready", "waits" for a page ("waits_kernel" if in the kernel), or "sleeps"."""
    spans: dict[int, list[Span]] = {pid: [] for pid in names}
    begun: dict[int, tuple[float, str]] = {}
    waiting = set()

    def change(pid: int, when: float, state: str) -> None:
        if pid in begun and pid in spans:
            spans[pid].append(Span(begun[pid][0], when, begun[pid][1]))
        begun[pid] = (when, state)

    # At one moment the fault comes first: a task says that it will sleep, then does.
    for when, _, event in sorted([*((t, 1, ("switch", *rest)) for t, *rest in switches),
                                  *((t, 0, ("fault", *rest)) for t, *rest in faults)],
                                 key=lambda e: e[:2]):
        match event:
            case "fault", pid, "sleep":
                waiting.add(pid)
            case "fault", pid, "sleep_kernel":
                tell_kernel(spans.get(pid, []))
            case "fault", pid, "wake" | "retry" | "abandoned" | "probe":
                waiting.discard(pid)
            case "switch", old, state, new:
                change(old, when, "ready" if state == "R" else
                       "waits" if old in waiting else "sleeps")
                change(new, when, "running")
    return [Lane(name, merged(spans[pid])) for pid, name in names.items()]


def tell_kernel(spans: list[Span]) -> None:
    """The last wait of these was in the kernel."""
    for i in range(len(spans) - 1, -1, -1):
        if spans[i].state == "waits":
            spans[i] = dataclasses.replace(spans[i], state="waits_kernel")
            return


def held(lane: Lane, vcpus: Iterable[Lane]) -> Lane:
    """The same, but where it ran on a vCPU that was stopped it was "held". For one vCPU."""
    stops = [span for vcpu in vcpus for span in vcpu.spans if span.state == "stopped"]
    out: list[Span] = []
    for span in lane.spans:
        if span.state != "running":
            out.append(span)
            continue
        at = span.begin
        for stop in stops:
            begin, end = max(stop.begin, at), min(stop.end, span.end)
            if begin >= end:
                continue
            out += [Span(at, begin, "running"), Span(begin, end, "held")]
            at = end
        out.append(Span(at, span.end, "running"))
    return Lane(lane.name, merged(out))
