# SPDX-License-Identifier: GPL-2.0
"""One HTML page that needs nothing else: what a guest did, off against on."""

import dataclasses
from html import escape

from lanes import Lane

WIDTH, LEFT, ROW, GAP = 1000, 110, 18, 6

STATES = {
    "computing": ("#2e7d32", "computing"),
    "stopped": ("#c62828", "stopped by the host, for a missing page"),
    "host": ("#8d6e63", "the host does something else"),
    "idle": ("#cfd8dc", "idle"),
    "running": ("#2e7d32", "running"),
    "held": ("#c62828", "held: its vCPU is stopped"),
    "waits": ("#1565c0", "asleep for a page, in user mode"),
    "waits_kernel": ("#6a1b9a", "asleep for a page, in the kernel"),
    "ready": ("#ffe082", "ready to run"),
    "sleeps": ("#eceff1", "asleep for something else"),
}
VCPU = ("computing", "stopped", "host", "idle")
TASK = ("running", "held", "waits", "waits_kernel", "ready", "sleeps")

STYLE = """\
body { font: 15px/1.45 system-ui, sans-serif; color: #212121; background: #fff;
       max-width: 1140px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.6em } h2 { font-size: 1.2em; margin-top: 2em }
svg { display: block; max-width: 100%; height: auto } svg text { font-size: 12px }
table { border-collapse: collapse } td, th { padding: 2px 12px; text-align: right;
       border-bottom: 1px solid #e0e0e0 } td:first-child, th:first-child { text-align: left }
.key span { display: inline-block; width: 12px; height: 12px; margin: 0 5px 0 14px }
"""


@dataclasses.dataclass
class Run:
    """What was seen of a guest from BEGIN to END: seconds of the same clock as its lanes."""
    title: str
    begin: float
    end: float
    vcpus: list[Lane]
    tasks: list[Lane]
    counters: dict[str, int]
    histogram: list[tuple[str, int, int]]       # limit in us, waits in user mode, in kernel
    overlap: float

    def share(self, lanes: list[Lane], state: str) -> float:
        """Of the time of all LANES, how much in STATE."""
        return sum(lane.seconds(state) for lane in lanes) / (
            (self.end - self.begin) * max(len(lanes), 1))

    def mean(self, lanes: list[Lane], state: str) -> float:
        """Seconds that a span of STATE takes."""
        spans = [s.end - s.begin for lane in lanes for s in lane.spans if s.state == state]
        return sum(spans) / max(len(spans), 1)


def lane_svg(lane: Lane, run: Run, y: int) -> list[str]:
    scale = WIDTH / (run.end - run.begin)
    out = [f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(lane.name)}</text>']
    for span in lane.spans:
        width = (span.end - span.begin) * scale
        if width < 0.05:
            continue
        out.append(f'<rect class="{span.state}" x="{LEFT + (span.begin - run.begin) * scale:.2f}" '
                   f'y="{y}" width="{max(width, 0.3):.2f}" height="{ROW}" '
                   f'fill="{STATES[span.state][0]}"><title>{escape(lane.name)}: '
                   f'{STATES[span.state][1]}, {(span.end - span.begin) * 1000:.1f} ms'
                   "</title></rect>")
    return out


def axis(run: Run, y: int) -> list[str]:
    out, scale = [], WIDTH / (run.end - run.begin)
    step = next(s for s in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60)
                if (run.end - run.begin) / s <= 12)
    for i in range(int((run.end - run.begin) / step) + 1):
        x = LEFT + i * step * scale
        out.append(f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{y}" stroke="#bdbdbd" '
                   f'stroke-width="0.5"/><text x="{x:.1f}" y="{y + 13}" text-anchor="middle">'
                   f"{i * step:g} s</text>")
    return out


def lanes_svg(run: Run) -> str:
    lanes = [*run.vcpus, *run.tasks]
    height = len(lanes) * (ROW + GAP) + 2 * GAP
    rows: list[str] = []
    for i, lane in enumerate(lanes):
        rows += lane_svg(lane, run, i * (ROW + GAP) + (2 * GAP if i >= len(run.vcpus) else 0))
    return (f'<svg class="lanes" viewBox="0 0 {LEFT + WIDTH + 20} {height + 20}" '
            f'role="img" aria-label="{escape(run.title)}">\n'
            + "\n".join([*axis(run, height), *rows]) + "\n</svg>")


def key(states: tuple[str, ...]) -> str:
    return '<p class="key">' + "".join(
        f'<span style="background:{STATES[s][0]}"></span>{STATES[s][1]}' for s in states) + "</p>"


def histogram_svg(run: Run) -> str:
    if not run.histogram:
        return "<p>No task waited.</p>"
    most = max(user + kernel for _, user, kernel in run.histogram)
    out = []
    for i, (limit, user, kernel) in enumerate(run.histogram):
        y = i * (ROW + GAP)
        text = "longer" if limit == "inf" else f"&lt; {float(limit) / 1000:g} ms"
        a, b = (n * (WIDTH - 200) / most for n in (user, kernel))
        out.append(f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{text}</text>'
                   f'<rect class="bar" x="{LEFT}" y="{y}" width="{a:.1f}" height="{ROW}" '
                   f'fill="{STATES["waits"][0]}"/><rect class="bar" x="{LEFT + a:.1f}" y="{y}" '
                   f'width="{b:.1f}" height="{ROW}" fill="{STATES["waits_kernel"][0]}"/>'
                   f'<text x="{LEFT + a + b + 6:.1f}" y="{y + 13}">{user + kernel}</text>')
    height = len(run.histogram) * (ROW + GAP)
    return (f'<svg class="histogram" viewBox="0 0 {LEFT + WIDTH + 20} {height}" role="img" '
            'aria-label="how long tasks waited">\n' + "\n".join(out) + "\n</svg>")


def summary(runs: list[Run]) -> str:
    rows = [(f"vCPU: {STATES[state][1]}",
             *(f"{run.share(run.vcpus, state):.0%}" for run in runs)) for state in VCPU]
    rows.append(("a stop, on average",
                 *(f"{run.mean(run.vcpus, 'stopped') * 1000:.1f} ms" for run in runs)))
    rows.append(("speed of the computing task, of its speed alone",
                 *(f"{run.overlap:.2f}" for run in runs)))
    head = "".join(f"<th>{escape(text)}</th>" for text in ("", *(run.title for run in runs)))
    return f"<table><tr>{head}</tr>" + "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows) + "</table>"


def counters(run: Run) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{value}</td></tr>"
                   for name, value in sorted(run.counters.items()) if value)
    return f"<table>{rows}</table>"


def html(runs: list[Run], what: str) -> str:
    """RUNS: without and with pvfault, as WHAT says."""
    parts = ["<h1>What the host's paging does to a guest</h1>", f"<p>{escape(what)}</p>",
             summary(runs), key(VCPU), key(TASK)]
    for run in runs:
        parts += [f"<h2>{escape(run.title)}</h2>", lanes_svg(run)]
    for run in runs:
        if run.counters.get("sleep"):
            parts += [f"<h2>How long tasks waited since boot: {escape(run.title)}</h2>",
                      histogram_svg(run), "<h2>Counters</h2>", counters(run)]
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            "<title>pvfault: what the host's paging does to a guest</title>"
            f"<style>{STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n")
