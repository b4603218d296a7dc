#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""apply.py apply|unapply KDIR: put pvfault into a kernel tree, or take it out.

Everything is tried on copies first; the tree is changed when all of it fits,
or not at all. What a file held before is kept in KDIR/.pvfault, so that
unapply gives it back byte for byte. A file that was edited after apply is
named and nothing is touched.
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
OVERLAY = ("include", "arch", "drivers", "Documentation")
STATE = ".pvfault"


class Refused(Exception):
    """One sentence why the tree stays as it is."""


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def overlay():
    return sorted(str(p.relative_to(TOP)) for d in OVERLAY
                  for p in (TOP / d).rglob("*") if p.is_file())


def series(kdir):
    """The patches for the version that KDIR's Makefile names."""
    makefile = kdir / "Makefile"
    text = makefile.read_text(errors="replace") if makefile.is_file() else ""
    found = [re.search(rf"^{k} = (\d+)$", text, re.M) for k in ("VERSION", "PATCHLEVEL")]
    if not all(found) or not (kdir / "arch/x86/mm/fault.c").is_file():
        raise Refused(f"{kdir} is not a Linux kernel source tree.")
    version = ".".join(m.group(1) for m in found)
    folder = TOP / "patches" / f"linux-{version}"
    if not folder.is_dir():
        have = ", ".join(sorted(p.name[6:] for p in (TOP / "patches").iterdir()))
        raise Refused(f"{kdir} is Linux {version}; there are patches for {have}.")
    return sorted(folder.glob("*.patch"))


def patched_files(patches):
    names = []
    for patch in patches:
        names += re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(), re.M)
    return sorted(set(names))


def try_patches(kdir, patches, names, work):
    """Apply PATCHES to copies of NAMES under WORK."""
    for name in names:
        if not (kdir / name).is_file():
            raise Refused(f"{kdir}/{name} is missing; the tree is unchanged.")
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(kdir / name, work / name)
    for patch in patches:
        done = subprocess.run(["patch", "-p1", "-N", "-F1", "--no-backup-if-mismatch",
                               "-r", "-", "-d", str(work), "-i", str(patch)],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(f"{patch.name} does not fit {kdir}/{misfit(done.stdout)}; "
                          "the tree is unchanged.")


def misfit(said):
    """The file that patch(1) was at when it first failed."""
    before = re.split(r"FAILED|previously applied|malformed", said)[0]
    return (re.findall(r"^patching file (\S+)", before, re.M) or ["?"])[-1]


def put(source, target, stat_of=None):
    """Replace TARGET in one step. Another hard link to the old file keeps the old text."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.pvfault")
    shutil.copyfile(source, new)
    if stat_of:
        shutil.copymode(stat_of, new)
    os.replace(new, target)


def apply(kdir):
    patches = series(kdir)
    if (kdir / STATE).exists():
        raise Refused(f"{kdir} has pvfault already; 'make unapply' takes it out.")
    new = overlay()
    for name in new:
        if (kdir / name).exists():
            raise Refused(f"{kdir}/{name} is there already, and not from 'make apply'; "
                          "the tree is unchanged.")
    changed = patched_files(patches)
    with tempfile.TemporaryDirectory() as tmp:
        work = pathlib.Path(tmp)
        try_patches(kdir, patches, changed, work)
        state = kdir / STATE
        for name in changed:
            keep = state / "before" / name
            keep.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(kdir / name, keep)
        # The record comes before the changes, so that unapply can undo half of them.
        record = {"changed": {n: digest(work / n) for n in changed},
                  "new": {n: digest(TOP / n) for n in new}}
        (state / "record.json").write_text(json.dumps(record, indent=1) + "\n")
        for name in changed:
            put(work / name, kdir / name, stat_of=work / name)
    for name in new:
        put(TOP / name, kdir / name)
    print(f"{kdir}: {len(changed)} files changed, {len(new)} added; "
          "enable CONFIG_PVFAULT and build as usual")


def unapply(kdir):
    series(kdir)
    state = kdir / STATE
    if not (state / "record.json").is_file():
        raise Refused(f"{kdir} has no pvfault from 'make apply'.")
    record = json.loads((state / "record.json").read_text())
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
