# SPDX-License-Identifier: GPL-2.0
"""An ordinary Debian as guest of KVM: systemd, a database, a cache, a web server.
scripts/debian.sh makes its disk, with the packages of "make deb"; the load in it is in the
folder debian."""

import kvm
import rig
from checks import READS
from kvm import L2

# The drivers of AES believe in AVX, which needs the XSAVE that kvm.CPU goes without.
CPU = f"{kvm.CPU},-aes,-avx,-avx2"
MEMORY = "220M"     # of 384 MiB, that the host leaves a guest
# systemd's units of the load, and in what the work of each is counted.
SERVICES = {"postgresql@15-main": "transactions", "redis-server": "twenty_values",
            "nginx": "files"}


def built(name):
    """A file of the Debian that has been built."""
    path = rig.BUILD / "debian/small" / name
    if not path.exists():
        raise rig.Failure(f"{path} is missing: run 'scripts/debian.sh small' first.")
    return path


def guest(name, line, secs=20, kernel="pvfault"):
    """A guest from its disk, with one of its two kernels."""
    # Past the page cache of L1, which would count as the guest's memory.
    made = L2(name, f"root=/dev/vda rw load.secs={secs} {line}", mib=384, limit=2400,
              kernel=built(f"vmlinuz-{kernel}"),
              options=("-drive", "if=virtio,format=raw,file=/dev/vdb,cache=none"))
    made.cpu, made.initrd = CPU, built(f"initrd-{kernel}")
    return made


def host(*guests):
    """L1 with these GUESTS and their disk, which it doesn't change."""
    return kvm.host(*guests, reads=READS, memory=MEMORY, options=(
        "-drive", f"if=none,id=debian,format=raw,file={built('disk')},"
        "snapshot=on,cache=unsafe", "-device", "virtio-blk-pci,drive=debian"))
