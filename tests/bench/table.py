# SPDX-License-Identifier: GPL-2.0
"""table: what NOT_PRESENT, READY and READY for all cost in a full table.

The token table of pvfault and that of the stock kernel, both built in userspace
and driven by the same program. Instructions are counted by callgrind, so these
figures are exact; times are taken side by side.
"""

import pathlib
import re
import subprocess

import report
import rig

HERE = pathlib.Path(__file__).resolve().parent / "table"

TABLES = ("pvfault", "stock")
CPUS = 4096
SLEEPERS = (1, 100, 10_000, 262_144)
STEPS = {"step_ready": "READY, one task wakes",
         "step_told": "NOT_PRESENT, up to the sleep",
         "step_early": "READY before NOT_PRESENT",
         "step_hit": "... and that NOT_PRESENT"}
REPEAT = 2000           # of each step, in one count
THREADS = (1, 2, 4, 8)
SHARE_MS = 500          # of each run of threads
ROUNDS = 3

# The functions of a stock kernel that pvfault's table replaces.
CUT = re.compile(r"^#define KVM_TASK_SLEEP_HASHBITS.*?"
                 r"^EXPORT_SYMBOL_GPL\(kvm_async_pf_task_wake\);$", re.M | re.S)


def build():
    out = rig.BUILD / "bench"
    out.mkdir(parents=True, exist_ok=True)
    source = (rig.BUILD / "stock/src/arch/x86/kernel/kvm.c").read_text()
    found = CUT.search(source)
    if not found:
        raise rig.Failure("the stock kernel's kvm.c has no token table where it was.")
    (out / "stock.inc").write_text(found.group(0) + "\n")
    rig.run("gcc", "-std=gnu11", "-O2", "-g", "-Wall", "-Wno-unused-function", "-pthread",
            "-DCONFIG_PVFAULT", "-D_GNU_SOURCE", f"-I{rig.ROOT}/tests/sim/measuring",
            f"-I{rig.ROOT}/tests/sim/include", f"-I{rig.ROOT}/include",
            f"-I{rig.ROOT}/arch/x86/kernel/pvfault", f"-I{out}",
            "-o", out / "table", *sorted(HERE.glob("*.c")))
    return out / "table"


def run(program, *args):
    return subprocess.run([str(a) for a in (program, *args)], check=True, text=True,
                          capture_output=True).stdout


def instructions(program, kind, sleepers):
    """The instructions of one call of each step, on average."""
    out = program.parent / "callgrind.out"
    run("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", program, kind,
        "steps", CPUS, sleepers, REPEAT)
    text = run("callgrind_annotate", "--inclusive=yes", "--threshold=100", out)
    counts = {}
    for step in STEPS:
        total = re.search(rf"^\s*([\d,]+) .*:{step}\b", text, re.M).group(1)
        counts[step] = int(total.replace(",", "")) / REPEAT
    return counts


def row(title, cells, form="{:,.0f}"):
    print(f"  {title:<44}" + "".join(f"{form.format(c):>16}" for c in cells))


def count(v, program):
    rows = {(t, n): instructions(program, t, n) for t in TABLES for n in SLEEPERS}
    print(f"\n  Instructions, {CPUS} CPUs, so many asleep:")
    row("", SLEEPERS)
    for step, title in STEPS.items():
        print(f"  {title}")
        for t in TABLES:
            row(f"    {t}", [rows[t, n][step] for n in SLEEPERS])
    for step, name in (("step_ready", "READY"), ("step_told", "NOT_PRESENT")):
        first, last = ({t: [rows[t, n][step]] for t in TABLES}
                       for n in (SLEEPERS[0], SLEEPERS[-1]))
        growth = {t: round(last[t][0] / first[t][0], 3) for t in TABLES}
        report.note(v, f"{name}, 1 asleep", "instructions", True, "", True, **first)
        report.note(v, f"{name}, {SLEEPERS[-1]} asleep", "instructions", True,
                    "flat within 20 %", growth["pvfault"] <= 1.2, **last)
        v.metrics[f"growth_{step}"] = growth
    v.metrics["instructions"] = {f"{t} {n}": r for (t, n), r in rows.items()}


def everybody(v, program):
    """Stock wakes CPU by CPU; at the largest size that would take minutes."""
    sizes = SLEEPERS[:-1]
    rows = {t: [int(run(program, t, "all", CPUS, n)) / 1e6 for n in sizes] for t in TABLES}
    rows["pvfault"].append(int(run(program, "pvfault", "all", CPUS, SLEEPERS[-1])) / 1e6)
    print("\n  READY for all, milliseconds for all CPUs together:")
    for t in TABLES:
        row(f"    {t}", rows[t], "{:.2f}")
    v.metrics["ready_all_ms"] = rows
    for n, ours, stock in zip(sizes, rows["pvfault"], rows["stock"]):
        report.note(v, f"READY for all, {n} asleep", "ms", True, "at most stock's",
                    ours <= stock, stock=[stock], pvfault=[ours])


def together(v, program):
    rows = {}
    for _ in range(ROUNDS):
        for n in THREADS:
            for t in TABLES:
                rows.setdefault((t, n), []).append(
                    float(run(program, t, "threads", CPUS, 10_000, n, SHARE_MS)))
    print("\n  READY and NOT_PRESENT, thousand pairs a second, 10,000 asleep, threads:")
    row("", THREADS)
    for t in TABLES:
        row(f"    {t}", [report.median(rows[t, n]) / 1000 for n in THREADS])
    print()
    for n in (THREADS[0], THREADS[-1]):
        ours, stock = rows["pvfault", n], rows["stock", n]
        report.note(v, f"pairs, {n} threads", "a second", False, "stock's",
                    report.median(ours) >= report.median(stock), stock=stock, pvfault=ours)
    v.metrics["pairs_per_second"] = {f"{t} {n}": r for (t, n), r in rows.items()}


def table(v):
    rig.say("table: about 2 minutes")
    rig.run(rig.ROOT / "scripts/kernel.sh", "stock", "unpack")
    program = build()
    for part in (count, everybody, together):
        part(v, program)
