# SPDX-License-Identifier: GPL-2.0
"""Checks table.pml and batch.pml with spin: as they are, and with each essential step
broken."""

import pathlib
import re
import shutil
import subprocess

import rig

HERE = pathlib.Path(__file__).resolve().parent
OUT = rig.BUILD / "model"
MEMORY_MIB = 4000

# How often the host does each thing: see the heads of the models. Those of batches begin
# with "batch".
CONFIGURATIONS = {
    # READY before, during and after NOT_PRESENT, on any CPU; signals, rejections
    "order": "TOKENS=1 EXACT KILLS=1 NUDGES=1 REFUSALS=1",
    "pools": "TOKENS=2 EXACT WAITS=1",
    "duplicates": "TOKENS=1 DUPS=1",
    "reuse": "TOKENS=1 REUSE SAME_CPU",
    "all": "TOKENS=1 WAITS=1 ALLS=1 READY_CPUS=1",
    "forgets": "TOKENS=1 WAITS=1 FORGETS=1 READY_CPUS=1",
    "forgets-doomed": "TOKENS=1 WAITS=1 FORGETS=1 DOOMED READY_CPUS=1",
    "pieces": "TOKENS=2 WAITS=1 FORGETS=1 UNREGISTER=1 BUDGET=1 READY_CPUS=0",
    "unregister": "TOKENS=1 WAITS=1 UNREGISTER=1 READY_CPUS=1",
    # READYs are lost, or come at any time for any token; the deadline must wake all tasks.
    "watch": "TOKENS=1 WAITS=1 LOSSES=1 ALLS=1 DEADLINE READY_CPUS=1",
    "overwritten": "TOKENS=2 WAITS=1 MARKS=1 LOSSES=1 DEADLINE",
    "hostile": "TOKENS=2 WAITS=1 MARKS=1 DUPS=2 HOSTILE DEADLINE READY_CPUS=1",
    "late": "TOKENS=1 WAITS=1 MARKS=1 DUPS=1 HOSTILE DEADLINE READY_CPUS=1 PERIODS=1",
    "batch": "ROUNDS=1 KILLS=1",
    "batch-again": "TASKS=1 KILLS=1",
    "batch-all": "TASKS=1 KILLS=1 ALLS=1",
    "batch-three": "TASKS=1 ROUNDS=1 TOKENS=3 KILLS=1",
}

# Mutants: each breaks one essential step, and must be found in this configuration.
MUTANTS = {
    "WAKE_STORE_FIRST": "order",
    "WAKE_THEN_STORE": "order",
    "WAKE_TASK_AFTER": "order",
    "WAKE_NOT_UNLINKED": "order",
    "STATE_LATE": "order",
    "READY_FORGETS": "order",
    "READY_LOOKS_ONCE": "order",
    "READY_LEAKS": "order",
    "QUEUE_IGNORES_EARLY": "order",
    "ERASE_LEAKS": "order",
    "LEAVE_THOUGH_WOKEN": "order",
    "LEAVE_STAYS_LISTED": "order",
    "LEAVE_NO_MARK": "order",
    "FORGET_LOOKS_ONCE": "order",
    "FORGET_KEEPS_EARLY": "order",
    "SETTLE_ANY_GENERATION": "forgets-doomed",
    "SETTLE_OUTDATED_SLEEPER": "forgets",
    "SETTLE_OUTDATED_EARLY": "forgets",
    "FORGET_GENERATION_NOW": "forgets-doomed",
    "FORGET_TAKES_NEWER": "forgets-doomed",
    "QUEUE_TAKES_NEWER": "forgets",
    "QUEUE_NO_GENERATION": "unregister",
    "QUEUE_NO_BARRIER": "unregister",
    "GENERATION_LATE": "unregister",
    "SCAN_NO_GENERATION": "unregister",
    "ALL_NO_KICK": "unregister",
    "ALL_KICKS_FIRST": "unregister",
    "ALL_NOT_COUNTED": "unregister",
    "UNREGISTER_WAKES_FIRST": "unregister",
    "KICK_UNSEEN": "pieces",
    "EVICT_UNLOCKED": "overwritten",
    "EVICT_STAYS_LISTED": "overwritten",
    "EVICT_GIVEN_BACK": "overwritten",
    "SLEEP_NO_DEADLINE": "watch",
    "SCAN_NO_DEADLINE": "watch",
    "ARM_NEVER": "watch",
    "TIMER_STOPS": "watch",
    "BATCH_TOUCH_AFTER_COUNT": "batch-again",
    "BATCH_COUNT_IN_TWO_STEPS": "batch-again",
    "BATCH_EARLY_COUNTS": "batch-again",
    "BATCH_EARLY_KEEPS_SLOT": "batch-again",
    "BATCH_WOKEN_STAYS_LISTED": "batch-again",
    "BATCH_STATE_LATE": "batch-again",
    "BATCH_LEAVE_UNLOCKED": "batch-again",
    "BATCH_LEAVE_NO_MARK": "batch-again",
    "BATCH_LEAVE_KEEPS_COUNT": "batch-again",
    "BATCH_LEAVE_ANY_BATCH": "batch",
}

# Assumptions: without each of these the model must fail in this configuration.
NEEDED = {
    "a token is used again only when its wait is over": "TOKENS=1 EXACT REUSE",
    "a mark that was overwritten needs the deadline": "TOKENS=2 EXACT WAITS=1 MARKS=1",
    "a lost READY needs the deadline": "TOKENS=1 WAITS=1 LOSSES=1",
}


class Result:
    """The verifier's result: the error that it found, or None, and how much it explored."""

    def __init__(self, said):
        found = re.search(r"^pan:\d+: (.*?)(?: \(at depth \d+\))?$", said, re.M)
        self.error = found.group(1) if found else None
        states = re.search(r"^\s*(\S+) states, stored", said, re.M)
        self.states = int(float(states.group(1))) if states else 0
        # It ran neither out of memory nor out of depth.
        self.complete = "errors: 0" in said and "max search depth too small" not in said \
            and "Search not completed" not in said


def verify(name, options, optimise="-O2", source="table.pml"):
    """Translate, compile and run SOURCE; raise Failure if that doesn't work."""
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for command in (["spin", *(f"-D{o}" for o in options), "-a", HERE / source],
                    ["gcc", optimise, "-w", "-DSAFETY", "-DHC4", "-DNOFAIR",
                     f"-DMEMLIM={MEMORY_MIB}", "-o", "pan", "pan.c"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True,
                              check=False)
        if done.returncode:
            raise rig.Failure(f"model {name}: {(done.stdout + done.stderr).strip()[:300]}")
    said = subprocess.run(["./pan", "-n", "-m100000", "-w24"], cwd=folder,
                          capture_output=True, text=True, check=False).stdout
    (folder / "said").write_text(said)
    result = Result(said)
    if not result.states:
        raise rig.Failure(f"model {name}: {said[-300:]}")
    return result


def source_of(configuration):
    return "batch.pml" if configuration.startswith("batch") else "table.pml"


def configurations():
    """Yield (name, result) of the models as they are."""
    for name, options in CONFIGURATIONS.items():
        yield name, verify(name, options.split(), source=source_of(name))


def mutants(only=()):
    """Yield (name, result) of everything that must fail."""
    for name, configuration in MUTANTS.items():
        if not only or name in only:
            yield name, verify(name, [f"MUT_{name}",
                                      *CONFIGURATIONS[configuration].split()],
                               optimise="-O0", source=source_of(configuration))
    for i, (name, options) in enumerate(NEEDED.items()):
        if not only:
            yield name, verify(f"needed-{i}", options.split(), optimise="-O0")
