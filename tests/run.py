#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The test run. Prints each step, ends with "N passed, N failed".

  run.py quick          the steps of "make test"
  run.py all            all of them. A step that has passed, in "quick" or "all", is not run
                        again until a file has changed, so that an interrupted run goes on
                        where it stopped
  run.py slice MINUTES  those of "all" that have not been run for longest on this machine,
                        as many as fit
  run.py step NAME      one, with what it needs
"""

import sys

from plan import everything, slice_of
from steps import BUILD, history, is_built, run_all, with_builds


def number(text):
    try:
        return float(text)
    except ValueError:
        return sys.exit(f"make test-slice: MINUTES={text} is not a number")


def main():
    plan, resume = everything(), False
    match sys.argv[1:]:
        case ["quick"]:
            plan = [step for step in plan if step.quick]
        case ["all"]:
            resume = True
        case ["slice", minutes]:
            plan = slice_of(number(minutes), plan, history(), is_built)
        case ["step", name] if name in [step.name for step in plan]:
            plan = [step for step in plan if step.name == name]
        case _:
            sys.exit(__doc__)
    return 1 if run_all(with_builds(plan), BUILD / "passed.json", resume) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; run it again")
