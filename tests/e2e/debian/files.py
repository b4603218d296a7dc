#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""files.py FOLDER: files for nginx in FOLDER/files, and their sums in FOLDER/sums."""

import hashlib
import pathlib
import random
import sys

COUNT, OCTETS = 48, 1 << 20

folder = pathlib.Path(sys.argv[1])
(folder / "files").mkdir(parents=True)
with open(folder / "sums", "w") as sums:
    for number in range(1, COUNT + 1):
        data = random.Random(number).randbytes(OCTETS)
        (folder / "files" / str(number)).write_bytes(data)
        print(hashlib.sha256(data).hexdigest(), number, file=sums)
