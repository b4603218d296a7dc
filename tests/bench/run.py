#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run one benchmark: run.py NAME, which builds the kernels that it compares; or list
them: run.py --list."""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "rig"), str(HERE.parent / "e2e")]
import rig  # noqa: E402
import hotpath  # noqa: E402
import kernbench  # noqa: E402
import overlap  # noqa: E402
import ready  # noqa: E402
import table  # noqa: E402

ALL = {"hotpath": hotpath.hotpath, "kernbench": kernbench.kernbench,
       "overlap-kernel": overlap.overlap_kernel, "overlap-user": overlap.overlap_user,
       "ready": ready.ready, "table": table.table}


def main():
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name == "--list":
        print(*ALL)
        return 0
    if name not in ALL:
        sys.exit(f"make bench: say which, BENCH=name; there are {', '.join(sorted(ALL))}.")
    try:
        verdict = rig.judge(name, ALL[name])
    except subprocess.CalledProcessError as failure:
        sys.exit(f"make bench: {failure}")
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    rig.program(main)
