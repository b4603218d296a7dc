#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""make apply and make unapply, on pristine trees and on damaged ones.

A test tree holds all files of each folder that they write into or pass through, as they
are in Debian's package. Other folders are not needed: all names are compared, which finds
a file written elsewhere, and a folder removed.
"""

import collections
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from apply import overlay, patched_files  # noqa: E402

BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
WORK = BUILD / "apply"
TREE = WORK / "tree"
HOOKED = "arch/x86/mm/fault.c"

counts = collections.Counter()


def check(what, ok, seen=""):
    counts[bool(ok)] += 1
    print(f"  {'ok    ' if ok else 'FAILED'} {what}{f': {seen}' if seen and not ok else ''}",
          flush=True)


def make(action, kdir):
    # Without the variables of a make that has started us, as if a user called it.
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(["make", "-s", "--no-print-directory", "-C", str(ROOT),
                           action, f"KDIR={kdir}"],
                          capture_output=True, text=True, env=env, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines()
            if not line.startswith("make: ***")]
    return done.returncode, "\n".join(said)


def state(contents=False):
    """Size and mode of each name in the tree, with its time, or a hash of the bytes."""
    found = {}
    for folder, folders, files in os.walk(TREE):
        for name in (*folders, *files):
            path = pathlib.Path(folder, name)
            stat = path.lstat()
            # A folder's size and time change when a file in it comes and goes.
            more = ("folder" if name in folders else
                    (stat.st_size, stat.st_mtime_ns if not contents else
                     path.is_symlink() or hashlib.sha256(path.read_bytes()).hexdigest()))
            found[str(path.relative_to(TREE))] = stat.st_mode, more
    return found


def refuses(what, action, kdir, *words):
    """One sentence with WORDS, non-zero, and the tree as it was."""
    before = state() if kdir == TREE else None
    code, said = make(action, kdir)
    check(f"{what}: refused", code != 0)
    check(f"{what}: one sentence, naming {' and '.join(words)}",
          len(said.splitlines()) == 1 and all(w in said for w in words), said)
    if before:
        check(f"{what}: tree untouched", state() == before)


def edited(name, old, new):
    text = (TREE / name).read_text()
    assert old in text, (name, old)
    (TREE / name).write_text(text.replace(old, new, 1))
    return text


def round_trip(pristine, ours):
    """OURS: the names that may change."""
    code, said = make("apply", TREE)
    check("apply on a pristine tree", code == 0, said)
    now = state(contents=True)
    changed = {name for name in now | pristine if now.get(name) != pristine.get(name)
               and not (TREE / name).is_dir() and not name.startswith(".pvfault/")}
    check("it changes what the series and the overlay name, and nothing else",
          changed == ours, str(changed ^ ours))
    check("the hook is in", "pvfault_enter" in (TREE / HOOKED).read_text())
    check("the core is in", (TREE / "arch/x86/kernel/pvfault/table.c").is_file())
    refuses("apply twice", "apply", TREE, "already")

    text = edited(HOOKED, "pvfault_enter", "my_enter")
    refuses("unapply after an edit", "unapply", TREE, HOOKED, "edited")
    (TREE / HOOKED).write_text(text)

    # The tree as an apply leaves it that was interrupted among its changes.
    (TREE / "include/linux/pvfault.h").unlink()
    shutil.copy2(TREE / ".pvfault/before" / HOOKED, TREE / HOOKED)
    code, said = make("unapply", TREE)
    check("unapply, also of half an apply", code == 0, said)
    check("unapply restores the tree byte for byte", state(contents=True) == pristine)
    refuses("unapply twice", "unapply", TREE, "no pvfault")

    # The tree as an apply leaves it that was interrupted before its changes; and as older
    # ones left it.
    for left in (".pvfault.new", ".pvfault"):
        (TREE / left / "before").mkdir(parents=True)
    refuses("unapply of an apply that changed nothing", "unapply", TREE, "no pvfault")
    code, said = make("apply", TREE)
    check("apply after such a one", code == 0, said)
    code, said = make("unapply", TREE)
    check("... is restored, too", code == 0 and state(contents=True) == pristine, said)


def wrong_trees():
    text = edited(HOOKED, "kvm_handle_async_pf(regs,", "mine(regs,")
    refuses("a conflicting change", "apply", TREE, HOOKED)
    (TREE / HOOKED).write_text(text)

    (TREE / "include/linux/pvfault.h").write_text("mine\n")
    refuses("a file of ours is there", "apply", TREE, "include/linux/pvfault.h")
    (TREE / "include/linux/pvfault.h").unlink()

    other_version()

    refuses("no KDIR", "apply", "", "KDIR=")
    refuses("a folder that isn't there", "apply", WORK / "nowhere", "no folder")
    refuses("a folder that is no kernel", "apply", ROOT / "tests", "not a Linux kernel")


def other_version():
    """A version without patches of its own: others are tried, and it is said what fails."""
    makefile = edited("Makefile", "PATCHLEVEL = ", "PATCHLEVEL = 9")
    before = state(contents=True)
    code, said = make("apply", TREE)
    check("another version that some patches fit: applied, with a warning",
          code == 0 and "has not been tried" in said, said)
    code, said = make("unapply", TREE)
    check("... and restored byte for byte", code == 0 and state(contents=True) == before, said)

    # A line that the hook replaces, and one in a file that the series for this version changes.
    hooked = edited(HOOKED, "kvm_handle_async_pf(regs,", "mine(regs,")
    drivers = edited("drivers/Makefile", "obj-$(CONFIG_XEN)", "obj-$(CONFIG_MINE)")
    before = state()
    code, said = make("apply", TREE)
    lines = said.splitlines()
    check("another version that none fit: refused", code != 0)
    check("... with each misfit's file, hunk and patch, and no other",
          len(lines) == 4 and lines[-1] == "The tree is unchanged." and
          all(re.fullmatch(rf"  {name}: hunk \d+ at line \d+ of {number}-\S+\.patch", line)
              for name, number, line in ((HOOKED, "0003", lines[1]),
                                         ("drivers/Makefile", "0004", lines[2]))), said)
    check("... tree untouched", state() == before)
    (TREE / HOOKED).write_text(hooked)
    (TREE / "drivers/Makefile").write_text(drivers)
    (TREE / "Makefile").write_text(makefile)


def git_am(series):
    """The series is git-am ready, on a repository of just the files it touches."""
    repo = WORK / "am"
    shutil.rmtree(repo, ignore_errors=True)
    names = {line.split()[1][2:] for patch in series
             for line in patch.read_text().splitlines() if line.startswith("+++ b/")}
    for name in names:
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TREE / name, repo / name)
    git = ["git", "-C", str(repo), "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for args in (["init", "-q"], ["add", "-f", "."], ["commit", "-q", "-m", "base"],
                 ["am", "-q", *map(str, series)]):
        done = subprocess.run(git + args, capture_output=True, text=True, check=False)
        if done.returncode:
            break
    check("git am takes the series", done.returncode == 0, done.stderr)


def unpack(version, names):
    """A pristine tree with all files of the folders on the way to NAMES. It is kept for
    the next time, because to read the package takes most of the time."""
    subprocess.run([str(ROOT / "scripts/kernel.sh"),
                    "stock" if version == "6.12" else f"stock-{version}", "fetch"], check=True)
    deb = sorted((BUILD / "deb").glob(f"linux-source-{version}_*.deb"))[-1]
    folders = sorted({str(parent) for name in names for parent in pathlib.Path(name).parents})
    kept, stamp = BUILD / "pristine" / version, json.dumps([deb.name, folders])
    stamped = kept.with_name(f"{version}.json")
    if not stamped.exists() or stamped.read_text() != stamp:
        shutil.rmtree(kept, ignore_errors=True)
        extract(deb, f"linux-source-{version}", set(folders), kept)
        stamped.write_text(stamp)
    shutil.rmtree(TREE, ignore_errors=True)
    shutil.copytree(kept, TREE, symlinks=True)


def extract(deb, name, folders, to):
    """The files right in FOLDERS of the source that DEB holds as NAME."""
    pipe = subprocess.Popen(f"dpkg-deb --fsys-tarfile {deb} | tar -xO ./usr/src/{name}.tar.xz |"
                            "xz -dc", shell=True, stdout=subprocess.PIPE)
    with tarfile.open(fileobj=pipe.stdout, mode="r|") as tar:
        for member in tar:
            path = pathlib.Path(*pathlib.Path(member.name).parts[1:])
            if not member.isdir() and str(path.parent) in folders:
                member.name = str(path)
                tar.extract(member, to)
    pipe.stdout.close()
    pipe.wait()


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    for version in ("6.12", "6.1", "7.3"):
        print(f"Linux {version}: a pristine tree", flush=True)
        series = sorted((ROOT / f"patches/linux-{version}").glob("*.patch"))
        ours = {*patched_files(series), *overlay()}
        unpack(version, ours)
        round_trip(state(contents=True), ours)
        git_am(series)
        if version == "6.12":
            wrong_trees()
    shutil.rmtree(WORK)
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 1 if counts[False] else 0


if __name__ == "__main__":
    sys.exit(main())
