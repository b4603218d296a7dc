#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run one benchmark: run.py NAME. Builds the kernels that it compares."""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "rig"))
import rig  # noqa: E402
import hotpath  # noqa: E402
import kernbench  # noqa: E402

ALL = {"hotpath": hotpath.hotpath, "kernbench": kernbench.kernbench}


def main():
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name not in ALL:
        sys.exit(f"make bench: say which, BENCH=name; there are {', '.join(sorted(ALL))}.")
    try:
        verdict = ALL[name]()
    except rig.Failure as failure:
        verdict = rig.Verdict(name)
        verdict.check(str(failure), False)
    except subprocess.CalledProcessError as failure:
        sys.exit(f"make bench: {failure}")
    verdict.write()
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; kernels are kept, run it again")
