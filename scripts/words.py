#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""words.py [--count]: which of our comments and documents use words that they must not.

Our readers are in a hurry and read a second language, so a sentence has to name its
subject ("the CPU that received NOT_PRESENT"). "who", "whoever" and "whom" hide it. Each
line that has one of them is printed, and the exit code is 1. With --count: words of
comment and text, and how many of 1000 are these, for each folder.
"""

import collections
import io
import pathlib
import re
import subprocess
import sys
import tokenize

TOP = pathlib.Path(__file__).resolve().parents[1]
HIDING = re.compile(r"\b(who|whoever|whom)\b", re.IGNORECASE)
# Text of others, also around our lines in patches; pictures; inputs of fuzzers.
NOT_OURS = re.compile(r"^(LICENSES/|patches/|debian/copyright|scripts/words\.py)|/corpus/|\.svg$")

C_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
HASH_COMMENT = re.compile(r"^\s*#.*|\s#\s.*", re.MULTILINE)


def python_comments(text):
    """Comments and docstrings, which here are all strings of three quotes."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and
                                              '"""' in token.string):
            yield token.string


def comments(path, text):
    """What people read in the file."""
    if path.suffix in (".rst", ".md", ".8"):
        return text
    if path.suffix == ".py":
        return "\n".join(python_comments(text))
    pattern = C_COMMENT if path.suffix in (".c", ".h", ".pml") else HASH_COMMENT
    return "\n".join(pattern.findall(text))


def lines_that_hide(text):
    """(number, line) of each line with such a word."""
    return [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1)
            if HIDING.search(line)]


def ours():
    """(name, text) of each of our files."""
    listed = subprocess.run(["git", "-C", str(TOP), "ls-files", "-z"], check=True,
                            capture_output=True, text=True).stdout
    for name in listed.split("\0"):
        if name and not NOT_OURS.search(name) and (TOP / name).is_file():
            yield name, (TOP / name).read_text()


def count():
    words, hiding = collections.Counter(), collections.Counter()
    for name, text in ours():
        read = comments(pathlib.Path(name), text)
        folder = "/".join(name.split("/")[:-1][:2]) or "(root)"
        for key in (folder, "all"):
            words[key] += len(re.findall(r"[A-Za-z']{2,}", read))
            hiding[key] += len(HIDING.findall(read))
    for folder in sorted(words):
        n = words[folder]
        print(f"{folder:<28} {n:>7} words  {hiding[folder]:>4}  "
              f"{1000 * hiding[folder] / n if n else 0:.1f} of 1000")


def main():
    if sys.argv[1:] == ["--count"]:
        return count()
    found = [f"{name}:{number}: {line}" for name, text in ours()
             for number, line in lines_that_hide(text)]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
