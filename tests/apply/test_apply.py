#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""make apply and make unapply, on the whole pristine tree and on damaged ones."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
WORK = BUILD / "apply"
TREE = WORK / "tree"
HOOKED = "arch/x86/mm/fault.c"

passed = failed = 0


def check(what, ok, seen=""):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    print(f"  {'ok    ' if ok else 'FAILED'} {what}{f': {seen}' if seen and not ok else ''}",
          flush=True)


def make(action, kdir):
    # Also when a make has started us: this one is a user's, on its own.
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(["make", "-s", "--no-print-directory", "-C", str(ROOT),
                           action, f"KDIR={kdir}"],
                          capture_output=True, text=True, env=env)
    said = [line for line in (done.stdout + done.stderr).splitlines()
            if not line.startswith("make: ***")]
    return done.returncode, "\n".join(said)


def digest(contents=False):
    """Of every name, size and mode of the tree; with the times, or the bytes."""
    total = hashlib.sha256()
    for folder, folders, files in os.walk(TREE):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            stat = os.lstat(path)
            total.update(f"{path} {stat.st_size} {stat.st_mode}".encode())
            if not contents:
                total.update(f"{stat.st_mtime_ns}".encode())
            elif not os.path.islink(path):
                with open(path, "rb") as f:
                    total.update(f.read())
    return total.hexdigest()


def refuses(what, action, kdir, *words):
    """One sentence with WORDS, non-zero, and the tree as it was."""
    before = digest() if kdir == TREE else None
    code, said = make(action, kdir)
    check(f"{what}: refused", code != 0)
    check(f"{what}: one sentence, naming {' and '.join(words)}",
          len(said.splitlines()) == 1 and all(w in said for w in words), said)
    if before:
        check(f"{what}: tree untouched", digest() == before)


def edited(name, old, new):
    text = (TREE / name).read_text()
    assert old in text, (name, old)
    (TREE / name).write_text(text.replace(old, new, 1))
    return text


def round_trip(pristine):
    code, said = make("apply", TREE)
    check("apply on a pristine tree", code == 0, said)
    check("the hook is in", "pvfault_enter" in (TREE / HOOKED).read_text())
    check("the core is in", (TREE / "arch/x86/kernel/pvfault/table.c").is_file())
    refuses("apply twice", "apply", TREE, "already")

    text = edited(HOOKED, "pvfault_enter", "my_enter")
    refuses("unapply after an edit", "unapply", TREE, HOOKED, "edited")
    (TREE / HOOKED).write_text(text)

    # As an apply that was interrupted leaves it.
    (TREE / "include/linux/pvfault.h").unlink()
    shutil.copy2(TREE / ".pvfault/before" / HOOKED, TREE / HOOKED)
    code, said = make("unapply", TREE)
    check("unapply, also of half an apply", code == 0, said)
    check("unapply restores the tree byte for byte", digest(True) == pristine)
    refuses("unapply twice", "unapply", TREE, "no pvfault")


def wrong_trees():
    text = edited(HOOKED, "prefetchw(&current->mm->mmap_lock);", "mine();")
    refuses("a conflicting change", "apply", TREE, HOOKED)
    (TREE / HOOKED).write_text(text)

    (TREE / "include/linux/pvfault.h").write_text("mine\n")
    refuses("a file of ours is there", "apply", TREE, "include/linux/pvfault.h")
    (TREE / "include/linux/pvfault.h").unlink()

    text = edited("Makefile", "PATCHLEVEL = ", "PATCHLEVEL = 9")
    refuses("another version", "apply", TREE, "there are patches for")
    (TREE / "Makefile").write_text(text)

    refuses("no KDIR", "apply", "", "KDIR=")
    refuses("a folder that isn't there", "apply", WORK / "nowhere", "no folder")
    refuses("a folder that is no kernel", "apply", ROOT / "tests", "not a Linux kernel")


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
        done = subprocess.run(git + args, capture_output=True, text=True)
        if done.returncode:
            break
    check("git am takes the series", done.returncode == 0, done.stderr)


def unpack(tree):
    """A pristine tree. Return its digest."""
    shutil.rmtree(TREE, ignore_errors=True)
    subprocess.run([str(ROOT / "scripts/kernel.sh"), tree, "unpack"], check=True)
    TREE.parent.mkdir(exist_ok=True)
    os.rename(BUILD / tree / "src", TREE)
    shutil.rmtree(BUILD / tree)
    (TREE / ".unpacked").unlink()
    return digest(True)


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    for series, tree in (("6.12", "pristine"), ("6.1", "pristine-6.1")):
        print(f"Linux {series}: a pristine tree", flush=True)
        round_trip(unpack(tree))
        git_am(sorted((ROOT / f"patches/linux-{series}").glob("*.patch")))
        if series == "6.12":
            wrong_trees()
    shutil.rmtree(WORK)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
