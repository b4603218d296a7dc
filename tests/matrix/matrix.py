#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Build pvfault in the configurations of cases.py, and compare what compilers, objtool and
sparse say with what they say of a stock kernel.

  matrix.py [--only PATTERN] [--again] [--list]

A configuration is green if it has what it asks for, if it builds, if there is no warning
in a file of pvfault's, and if stock has each warning in any other. What is green is not
built again until the case, the series or the overlay changes; so an interrupted run goes
on where it stopped. The table is kept in build/results/matrix.json.
"""

import argparse
import collections
import fnmatch
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
WORK = BUILD / "matrix"
RESULTS = BUILD / "results/matrix.json"
sys.path[:0] = [str(HERE), str(ROOT / "scripts")]
from apply import overlay  # noqa: E402
from cases import CASES, OBJECTS  # noqa: E402

OURS = set(overlay())
# Neither the file's line nor the address says whether stock has the same warning.
SAID = re.compile(r"warning:|error:|objtool:|\*\*\*.*Error|undefined reference|modpost")
PLACE = re.compile(r":\d+(:\d+)?:|\+0x[0-9a-f]+|0x[0-9a-f]+|line \d+")
# Of the environment, not of the sources.
NOISE = re.compile(r"^\s+[A-Z]+\s|pahole|BTF|is not a supported|override: reassigning|"
                   r"tools/objtool|clock skew|does not have a sufficiently|not up to date")


class Red(Exception):
    """Why a configuration isn't green."""


def tree(kind, version):
    return kind if version == "6.12" else f"{kind}-{version}"


@functools.lru_cache(None)
def source(kind, version):
    """The tree's source, prepared by scripts/kernel.sh."""
    name = tree(kind, version)
    subprocess.run([ROOT / "scripts/kernel.sh", name, "prepare"], check=True,
                   stdout=subprocess.DEVNULL)
    return BUILD / name / "src"


@functools.lru_cache(None)
def fingerprint(version):
    """Changes with whatever a build of this version depends on."""
    seen = hashlib.sha256()
    for path in sorted([*(ROOT / n for n in OURS if not n.startswith("Documentation/")),
                        *ROOT.glob(f"patches/linux-{version}/*.patch")]):
        seen.update(path.read_bytes())
    return seen.hexdigest()


class Tree:
    """The output folder of one source, architecture and compiler: its cases share the
    kernel's own tools."""

    def __init__(self, kind, case):
        self.src = source(kind, case.version)
        compiler = "clang" if any("LLVM" in word for word in case.how) else "gcc"
        self.out = WORK / f"{tree(kind, case.version)}-{case.arch}-{compiler}"
        self.case, self.kind = case, kind
        self.env = {**os.environ, "CCACHE_DIR": str(BUILD / "ccache"), "CCACHE_NOHASHDIR": "1",
                    "CCACHE_BASEDIR": str(BUILD), "LC_ALL": "C", "KBUILD_BUILD_TIMESTAMP": "@0"}
        self.env = {k: v for k, v in self.env.items() if not k.startswith("MAKE")}

    def make(self, *targets, **env):
        """Run make. Return its status and what it said."""
        how = list(self.case.how)
        if not any("LLVM" in word for word in how):
            how.append("CC=ccache gcc")
        command = ["make", "-C", self.src, f"O={self.out}", f"ARCH={self.case.arch}",
                   f"-j{os.environ.get('JOBS', os.cpu_count())}", *how, *targets]
        with subprocess.Popen(command, env={**self.env, **env}, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              start_new_session=True) as process:
            try:
                said, _ = process.communicate()
            except BaseException:
                os.killpg(process.pid, signal.SIGTERM)
                raise
        return process.returncode, said

    def wanted(self):
        """The case's options, as far as this tree knows them."""
        return {name: value for name, value in self.case.options.items()
                if self.kind == "pvfault" or not name.startswith("PVFAULT")}

    def configure(self):
        self.out.mkdir(parents=True, exist_ok=True)
        fragment = self.out / "fragment"
        fragment.write_text("".join(f"CONFIG_{n}={v}\n" for n, v in self.wanted().items()))
        if self.case.seed:
            code, said = self.make("randconfig", KCONFIG_SEED=str(self.case.seed),
                                   KCONFIG_ALLCONFIG=str(fragment))
        else:
            code, said = self.make("allnoconfig", KCONFIG_ALLCONFIG=str(
                self.src / "kernel/configs/tiny-base.config"))
            if not code:
                merge = subprocess.run(
                    [self.src / "scripts/kconfig/merge_config.sh", "-m", "-O", self.out,
                     self.out / ".config", fragment], capture_output=True, text=True,
                    cwd=self.src, env=self.env, check=False)
                code, said = self.make("olddefconfig") if not merge.returncode else (
                    1, merge.stdout + merge.stderr)
        if code:
            raise Red(f"no configuration: {said.strip().splitlines()[-1:]}")

    def config(self):
        text = (self.out / ".config").read_text()
        return dict(re.findall(r"^CONFIG_(\w+)=(.*)$", text, re.M))

    def refused(self):
        """Which options Kconfig has not taken."""
        have, gone = self.config(), set(self.case.gone)
        return sorted(f"{name}={have.get(name, 'n')}" for name, value in self.wanted().items()
                      if have.get(name, "n") != value and name not in gone)

    def targets(self):
        """What make is to build: the whole kernel, or only pvfault's files and those that
        include its headers, as far as this configuration has them."""
        if self.case.linked:
            return ["vmlinux", *(["modules"] if self.config().get("KVM") == "m" else [])]
        have, more = self.config(), []
        if "KVM_GUEST" in have:
            more.append("arch/x86/kernel/kvm.o")
        if "KVM" in have:
            more.append("arch/x86/kvm/mmu/mmu.o")
        return [name for name in (*OBJECTS, *more)
                if self.kind == "pvfault" and "PVFAULT" in have or "pvfault" not in name]

    def forget(self):
        """Let those be compiled again that may have a warning."""
        for name in ("arch/x86/kernel/pvfault", "drivers/pvfault"):
            shutil.rmtree(self.out / name, ignore_errors=True)
        for name in ("arch/x86/mm/fault.o", "mm/page_alloc.o", "mm/filemap.o", "mm/memory.o",
                     "arch/x86/kernel/kvm.o", "arch/x86/kvm/mmu/mmu.o"):
            (self.out / name).unlink(missing_ok=True)

    def build(self):
        """Build it. Return what was said of it, each warning once."""
        self.forget()
        code, said = self.make(*self.targets())
        lines = [line.strip().replace(f"{self.src}/", "").replace("../", "")
                 for line in said.splitlines() if SAID.search(line) and not NOISE.search(line)]
        if code:
            (WORK / "failed.log").write_text(said)
            raise Red("does not build: " + " | ".join(lines[:3] or said.splitlines()[-3:]))
        if "C=2" in self.case.how and "\n  CHECK " not in said:
            raise Red("sparse has not been run")
        return list(dict.fromkeys(lines))


def ours(line):
    """Is it about a file of ours, or a function of ours that objtool names?"""
    return any(name in line for name in OURS) or "pvfault" in line


def check(case):
    """Build it. Raise Red if something is wrong. Return a note for the table."""
    tree_ = Tree("pvfault", case)
    tree_.configure()
    refused = tree_.refused()
    if refused:
        raise Red(f"Kconfig refused: {', '.join(refused)}")
    said = tree_.build()
    mine = [line for line in said if ours(line)]
    if mine:
        raise Red(" | ".join(mine[:3]))
    if not said:
        return ""
    stock = Tree("stock", case)
    stock.configure()
    known = {PLACE.sub("", line) for line in stock.build()}
    new = [line for line in said if PLACE.sub("", line) not in known]
    if new:
        raise Red("not in stock: " + " | ".join(new[:3]))
    return f"{len(said)} warnings, stock has them, too"


def chosen(pattern):
    found = [c for c in CASES if fnmatch.fnmatch(c.title, pattern or "*") or c.title == pattern]
    if not found:
        sys.exit(f"make matrix: no configuration is called {pattern}; "
                 "tests/matrix/matrix.py --list names them")
    return found


def run(found, again):
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    began, counts = time.monotonic(), collections.Counter()
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    for i, case in enumerate(found, 1):
        stamp = hashlib.sha256(f"{fingerprint(case.version)}{case}".encode()).hexdigest()
        old = kept.get(case.title, {})
        if old.get("stamp") == stamp and old["ok"] and not again:
            result, took = old, "done before"
        else:
            start = time.monotonic()
            try:
                result = {"ok": True, "note": check(case)}
            except Red as why:
                result = {"ok": False, "note": str(why)}
            took = f"{time.monotonic() - start:.0f} s"
            kept[case.title] = {**result, "stamp": stamp, "linked": case.linked}
            RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
        counts[result["ok"]] += 1
        print(f"[{i}/{len(found)}, {time.monotonic() - began:.0f} s] "
              f"{'ok    ' if result['ok'] else 'FAILED'} {case.title:<34} "
              f"{'linked ' if case.linked else 'objects'} {took}"
              f"{'; ' if result['note'] else ''}{result['note']}", flush=True)
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 1 if counts[False] else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="PATTERN")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    found = chosen(args.only)
    if args.list:
        print(*(case.title for case in found), sep="\n")
        return 0
    return run(found, args.again)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; run it again, it goes on where it stopped")
