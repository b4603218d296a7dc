#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""make proof: the protocol's model, its mutants, and the fuzzer, in one table.

docs/proof.rst says what each row shows, and with which bounds.
"""

import os
import pathlib
import random
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "rig"), str(HERE.parent / "model")]
import rig  # noqa: E402
import model  # noqa: E402

FUZZ = HERE.parent / "fuzz"
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "30"))
FUZZ_SEED = int(os.environ.get("FUZZ_SEED", random.randrange(1, 1 << 32)))

# A mutant must be found within so many inputs, which are always the same ones.
MUTANT_RUNS = 100000

# The table broken in one place, file: (what, by what), for the fuzzer to find.
FUZZ_MUTANTS = {
    "READY forgets to remember":
        ("table.c", "if (likely(!pvfault_settle(b, token))) {", "if (false) {"),
    "an old READY counts as new":
        ("table.c", "to_mark(node)->generation != now", "false"),
    "an early READY is left behind":
        ("table.c", "if (node->state == PVFAULT_EARLY)", "if (false)"),
    "the youngest mark gives way":
        ("marks.c", "(s32)(pool->slot[i].mark.stamp - mark->stamp) < 0",
         "(s32)(pool->slot[i].mark.stamp - mark->stamp) > 0"),
    "a mark is never given back":
        ("marks.c", "	clear_bit_unlock(", "	if (0)\n		clear_bit_unlock("),
    "a batch that was left is still on the table":
        ("batch.c", "		node->state = PVFAULT_ABANDONED;\n", ""),
    "a batch keeps the slot of an early READY":
        ("batch.c", "		pvfault_mark_put(to_mark(&s->node));\n		pvfault_note(early_hit",
         "		pvfault_note(early_hit"),
    "a batch doesn't say when it was left":
        ("batch.c", "		to_mark(node)->stamp = jiffies;\n", ""),
    "a stale slot gives no way":
        ("marks.c", "} while (pvfault_slot_evict(pool));", "} while (false);"),
    "a slot gives way too soon":
        ("marks.c", "return mark->generation != pvfault_generation_read() ||", "return true ||"),
    "READY for all leaves the slots of batches":
        ("marks.c", "return mark->generation != pvfault_generation_read() ||", "return"),
}


class Table:
    """The rows, printed as they come, and judged."""

    def __init__(self, verdict):
        self.verdict = verdict
        print(f"{'':<54}{'states, runs':>13}{'s':>6}  result")

    def row(self, name, ok, amount, began, result):
        took = time.monotonic() - began
        print(f"{'ok    ' if ok else 'FAILED'} {name:<47}{amount:>13}{took:>6.0f}  {result}",
              flush=True)
        self.verdict.checks.append({"name": name, "pass": bool(ok)})


def timed(results):
    """Yield (when it began, *result) of an iterator."""
    results = iter(results)
    while True:
        began = time.monotonic()
        try:
            yield (began, *next(results))
        except StopIteration:
            return


def prove_model(v, table):
    states = killed = 0
    for began, name, r in timed(model.configurations()):
        table.row(f"model: {name}", r.complete and not r.error, r.states, began,
                  r.error or ("no error" if r.complete else "not completed"))
        states += r.states
    for began, name, r in timed(model.mutants()):
        table.row(f"must fail: {name}", r.error, r.states, began,
                  r.error or "NOTHING FOUND")
        killed += bool(r.error)
    v.metrics.update(model_states=states, model_mutants=len(model.MUTANTS) + len(model.NEEDED),
                     model_mutants_killed=killed)


def fuzz(name, **variables):
    """Run the fuzzer; return whether all was well, what it said, its runs."""
    out = rig.BUILD / "fuzz" / name
    out.mkdir(parents=True, exist_ok=True)
    said = subprocess.run(["make", "-s", "--no-print-directory", "-C", FUZZ, f"OUT={out}",
                           *(f"{k}={v}" for k, v in variables.items()), "check"],
                          capture_output=True, text=True, errors="replace", check=False)
    text = said.stdout + said.stderr
    (out / "said").write_text(text)
    runs = re.search(r"number_of_executed_units:\s*(\d+)", text)
    if not runs:
        raise rig.Failure(f"the fuzzer doesn't run; see {out / 'said'}")
    found = re.search(r"^(?:fuzz: FAILED: |SUMMARY: )(.*)", text, re.M)
    return said.returncode == 0, found.group(1) if found else "no error", int(runs.group(1))


def mutated_core(name, where, what, by):
    """A copy of the table with one place changed."""
    core = rig.ROOT / "arch/x86/kernel/pvfault"
    folder = rig.BUILD / "fuzz" / name / "core"
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("table.c", "marks.c", "batch.c", "scan.c"):
        text = (core / file).read_text()
        if file == where:
            if what not in text:
                raise rig.Failure(f"bring proof.py up to date: no '{what}' in {file}")
            text = text.replace(what, by)
        (folder / file).write_text(text)
    return folder


def prove_fuzz(v, table):
    began = time.monotonic()
    ok, result, runs = fuzz("table", SECS=FUZZ_SECONDS, SEED=FUZZ_SEED)
    table.row(f"fuzz: {FUZZ_SECONDS} s, FUZZ_SEED={FUZZ_SEED}", ok, runs, began, result)
    v.metrics.update(fuzz_seed=FUZZ_SEED, fuzz_runs=runs,
                     fuzz_runs_per_second=runs // max(FUZZ_SECONDS, 1))
    killed = 0
    for i, (name, change) in enumerate(FUZZ_MUTANTS.items()):
        began = time.monotonic()
        folder = f"mutant-{i}"
        ok, result, runs = fuzz(folder, RUNS=MUTANT_RUNS, SEED=1,
                                CORE=mutated_core(folder, *change))
        table.row(f"must fail: {name}", not ok, runs, began, result[:40])
        killed += not ok
    v.metrics.update(fuzz_mutants=len(FUZZ_MUTANTS), fuzz_mutants_killed=killed)


def prove(v):
    table = Table(v)
    prove_model(v, table)
    prove_fuzz(v, table)
    print(f"{sum(c['pass'] for c in v.checks)} passed, "
          f"{sum(not c['pass'] for c in v.checks)} failed")


def main():
    return 0 if rig.judge("proof", prove).ok else 1


if __name__ == "__main__":
    rig.program(main)
