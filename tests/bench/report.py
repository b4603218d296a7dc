# SPDX-License-Identifier: GPL-2.0
"""One table and one picture of all that the benchmarks have left in their JSON."""

import json
import os
import shutil
import subprocess
from statistics import median

import rig

KINDS = ("off", "stock", "pvfault")
COLUMNS = (34, 14, 22, 22, 22, 7, 18)


def note(v, what, unit, less, target, met, **rows):
    """A figure for the table: ROWS are the raw values of each of KINDS that it has. LESS: is
    less better? TARGET is a text. Whether it is MET is also a check of V. Without a target
    the figure is only shown."""
    v.metrics.setdefault("figures", []).append(
        {"what": what, "unit": unit, "less": less, "target": target, "met": bool(met),
         "rows": rows})
    if target:
        v.check(f"{what}: {target}", met, ", ".join(
            f"{kind} {spread(rows[kind])}" for kind in KINDS if kind in rows))


def short(x):
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


def spread(values):
    """The median, and the least and most value if they differ."""
    if not values:
        return ""
    low, mid, high = min(values), median(values), max(values)
    return short(mid) if short(low) == short(high) else \
        f"{short(mid)} ({short(low)}-{short(high)})"


def ahead(figure):
    """How many times better than stock, or off where stock has nothing: the median,
    and the worst and best pair."""
    rows = figure["rows"]
    stock, ours = sorted(rows.get("stock") or rows.get("off", ())), sorted(rows.get("pvfault", ()))
    if not stock or not ours or stock[0] <= 0 or ours[0] <= 0:
        return None
    mid = median(ours) / median(stock)
    ends = (ours[0] / stock[-1], ours[-1] / stock[0])
    if figure["less"]:
        mid, ends = 1 / mid, (1 / ends[1], 1 / ends[0])
    return mid, *ends


def line(cells):
    print("  " + " ".join(str(c).ljust(w) for c, w in zip(cells, COLUMNS)).rstrip())


def figures(names):
    """Yield (benchmark, figure); of one that never ran, or broke, nothing."""
    for name in names:
        path = rig.BUILD / "results" / f"{name}.json"
        if path.exists():
            for figure in json.loads(path.read_text())["metrics"].get("figures", []):
                yield name, figure


def print_table(found):
    print("\n  Medians, and from the least to the most. "
          "'ahead': how many times better than stock.\n")
    line(("what", "unit", *KINDS, "ahead", "target"))
    last = None
    for name, f in found:
        if name != last:
            print(f"  {name}")
            last = name
        times = ahead(f)
        line((f"  {f['what']}", f["unit"], *(spread(f["rows"].get(k, [])) for k in KINDS),
              f"{times[0]:.2f}" if times else "",
              f"{'' if f['met'] else 'SHORT OF '}{f['target']}"))
    print()


PLOT = """\
set terminal svg size 900,{height} font 'sans,13' background rgb 'white'
set output '{out}'
set title 'pvfault beside the stock kernel: times better'
set logscale x 2
set xrange [{low}:{high}]
set yrange [{count}.5:0.5]
set ytics ({labels})
set grid xtics
set arrow from 1,{count}.5 to 1,0.5 nohead lw 2 lc rgb '#555555'
set key off
set lmargin 44
plot '-' using 1:4:2:3 with xerrorbars pt 7 ps 0.8 lw 2 lc rgb '#2060a0'
{rows}
e
"""


def draw(found, out):
    rows = [(f"{name}: {f['what']}", *ahead(f)) for name, f in found if ahead(f)]
    if not rows:
        return
    low = min(0.5, *(r[2] for r in rows)) * 0.9
    high = max(2, *(r[3] for r in rows)) * 1.1
    # 'using 1:4:2:3' is x, y, from, to.
    text = PLOT.format(
        height=90 + 26 * len(rows), out=out, count=len(rows), low=low, high=high,
        labels=", ".join(f'"{r[0]}" {i}' for i, r in enumerate(rows, 1)),
        rows="\n".join(f"{r[1]} {r[2]} {r[3]} {i}" for i, r in enumerate(rows, 1)))
    subprocess.run(["gnuplot"], input=text, text=True, check=True)
    print(f"  the picture: {os.path.relpath(out)}")


def report(names):
    found = list(figures(names))
    if not found:
        print("  no benchmark has left figures in build/results")
        return 1
    print_table(found)
    if shutil.which("gnuplot"):
        draw(found, rig.BUILD / "results" / "benchmarks.svg")
    else:
        print("  no picture: gnuplot is missing, run 'make setup'")
    return 0
