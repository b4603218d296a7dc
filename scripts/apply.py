#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""apply.py apply|unapply KDIR: put pvfault into a kernel tree, or take it out.

Everything is tried on copies first; the tree is changed when all of it fits,
or not at all. What a file held before is kept in KDIR/.pvfault, so that
unapply gives it back byte for byte. A file that was edited after apply is
named and nothing is touched. For a version without patches of its own the
others are tried, and what doesn't fit is named.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[1]
OVERLAY = ("include", "arch", "drivers", "samples", "Documentation")
STATE = ".pvfault"
RECORD = "record.json"


class Refused(Exception):
    """Why the tree stays as it is."""


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def overlay():
    return sorted(str(p.relative_to(TOP)) for d in OVERLAY
                  for p in (TOP / d).rglob("*") if p.is_file())


def version_of(kdir):
    """The version that KDIR's Makefile names, as numbers."""
    makefile = kdir / "Makefile"
    text = makefile.read_text(errors="replace") if makefile.is_file() else ""
    found = [re.search(rf"^{k} = (\d+)$", text, re.M) for k in ("VERSION", "PATCHLEVEL")]
    if not all(found) or not (kdir / "arch/x86/mm/fault.c").is_file():
        raise Refused(f"{kdir} is not a Linux kernel source tree.")
    return tuple(int(m.group(1)) for m in found)


def text_of(version):
    return ".".join(map(str, version))


def known():
    """The versions that there are series for."""
    return sorted(tuple(map(int, p.name[6:].split(".")))
                  for p in (TOP / "patches").glob("linux-*"))


def series(version):
    return sorted((TOP / "patches" / f"linux-{text_of(version)}").glob("*.patch"))


def nearest(version):
    """The known versions to try for VERSION: older ones first, the nearest of them first."""
    return ([v for v in reversed(known()) if v <= version] +
            [v for v in known() if v > version])


def patched_files(patches):
    names = []
    for patch in patches:
        names += re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(), re.M)
    return sorted(set(names))


def misfits(patch, said):
    """What patch(1) SAID to fail of PATCH: (name, file, which hunk)."""
    found, name = [], "?"
    for line in said.splitlines():
        name = (re.findall(r"^(?:patching file |\|\+\+\+ b/)(\S+)", line) or [name])[0]
        hunk = re.search(r"Hunk #(\d+) FAILED at (\d+)", line)
        if hunk:
            found.append((patch.name, name, f"hunk {hunk[1]} at line {hunk[2]}"))
        elif re.search(r"previously applied|malformed|hunks? ignored", line):
            found.append((patch.name, name, "all of it"))
    return found or [(patch.name, name, "all of it")]


def try_patches(kdir, patches, work):
    """Apply PATCHES to copies of their files under WORK; what doesn't fit, as misfits()."""
    failed = []
    for name in patched_files(patches):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        if (kdir / name).is_file():
            shutil.copy2(kdir / name, work / name)
        else:
            failed.append(("", name, "is missing"))
    for patch in patches:
        done = subprocess.run(["patch", "-p1", "-N", "-f", "-F1", "--no-backup-if-mismatch",
                               "-r", "-", "-d", str(work), "-i", str(patch)],
                              env={**os.environ, "LC_ALL": "C"},
                              capture_output=True, text=True, check=False)
        if done.returncode:
            failed += [f for f in misfits(patch, done.stdout) if (work / f[1]).exists()]
    return failed


def fit(kdir, work):
    """Try the series of KDIR's version, or of all others until one fits, each on copies
    in a folder of WORK. Return: the folder, and the patches."""
    version, tries = version_of(kdir), []
    for have in [version] if version in known() else nearest(version):
        copies = work / text_of(have)
        patches = series(have)
        failed = try_patches(kdir, patches, copies)
        if not failed:
            if have != version:
                print(f"{kdir} is Linux {text_of(version)}, which has not been tried. The "
                      f"patches for {text_of(have)} fit; whether it builds isn't known.")
            return copies, patches
        tries.append((len(failed), have, failed))
    count, have, failed = min(tries, key=lambda t: t[0])
    if have == version:
        patch, name, what = failed[0]
        raise Refused(f"{kdir}/{name} {what}; the tree is unchanged." if not patch else
                      f"{patch} does not fit {kdir}/{name}; the tree is unchanged.")
    lines = "".join(f"\n  {name}: {f'{what} of {patch}' if patch else what}"
                    for patch, name, what in failed)
    raise Refused(f"{kdir} is Linux {text_of(version)}; there are patches for "
                  f"{', '.join(map(text_of, known()))}. Those for {text_of(have)} fit best, but "
                  f"not in {count} places:{lines}\nThe tree is unchanged.")


def put(source, target, stat_of=None):
    """Replace TARGET in one step. Another hard link to the old file keeps the old text."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.pvfault")
    shutil.copyfile(source, new)
    if stat_of:
        shutil.copymode(stat_of, new)
    os.replace(new, target)


def apply(kdir):
    version_of(kdir)
    state, unfinished = kdir / STATE, kdir / f"{STATE}.new"
    if (state / RECORD).exists():
        raise Refused(f"{kdir} has pvfault already; 'make unapply' takes it out.")
    new = overlay()
    for name in new:
        if (kdir / name).exists():
            raise Refused(f"{kdir}/{name} is there already, and not from 'make apply'; "
                          "the tree is unchanged.")
    with tempfile.TemporaryDirectory() as tmp:
        work, patches = fit(kdir, pathlib.Path(tmp))
        changed = patched_files(patches)
        # Of an apply that was interrupted here: it had changed nothing yet.
        for left in (state, unfinished):
            shutil.rmtree(left, ignore_errors=True)
        for name in changed:
            keep = unfinished / "before" / name
            keep.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(kdir / name, keep)
        # It is there in one step and before the changes, so that unapply can undo half
        # of them.
        record = {"changed": {n: digest(work / n) for n in changed},
                  "new": {n: digest(TOP / n) for n in new}}
        (unfinished / RECORD).write_text(json.dumps(record, indent=1) + "\n")
        os.replace(unfinished, state)
        for name in changed:
            put(work / name, kdir / name, stat_of=work / name)
    for name in new:
        put(TOP / name, kdir / name)
    print(f"{kdir}: {len(changed)} files changed, {len(new)} added; "
          "enable CONFIG_PVFAULT and build as usual")


def unapply(kdir):
    version_of(kdir)
    state = kdir / STATE
    if not (state / RECORD).is_file():
        raise Refused(f"{kdir} has no pvfault from 'make apply'.")
    record = json.loads((state / RECORD).read_text())
    for name, after in {**record["changed"], **record["new"]}.items():
        path, before = kdir / name, state / "before" / name
        if not path.exists():
            continue
        if digest(path) != after and not (before.is_file() and
                                          digest(path) == digest(before)):
            raise Refused(f"{path} was edited after 'make apply'; save your edit and "
                          f"put the file back, then try again. The tree is unchanged.")
    for name in record["changed"]:
        before = state / "before" / name
        put(before, kdir / name, stat_of=before)
    for name in record["new"]:
        (kdir / name).unlink(missing_ok=True)
        for parent in (kdir / name).parents:
            if parent == kdir or any(parent.iterdir()):
                break
            parent.rmdir()
    shutil.rmtree(state)
    print(f"{kdir}: as before 'make apply'")


def main():
    actions = {"apply": apply, "unapply": unapply}
    if len(sys.argv) != 3 or sys.argv[1] not in actions:
        sys.exit("usage: apply.py apply|unapply KDIR")
    if not sys.argv[2]:
        sys.exit(f"make {sys.argv[1]}: say which kernel tree, KDIR=path")
    kdir = pathlib.Path(sys.argv[2]).resolve()
    if not kdir.is_dir():
        sys.exit(f"make {sys.argv[1]}: there is no folder {kdir}.")
    if not shutil.which("patch"):
        sys.exit("The program patch is missing; apt-get install patch.")
    try:
        actions[sys.argv[1]](kdir)
    except Refused as why:
        sys.exit(f"make {sys.argv[1]}: {why}")
    except OSError as why:
        sys.exit(f"make {sys.argv[1]}: {why.strerror}: {why.filename}")


if __name__ == "__main__":
    main()
