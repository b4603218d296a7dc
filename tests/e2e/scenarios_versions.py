# SPDX-License-Identifier: GPL-2.0
"""Linux 6.1 and 7.3 as guests, of a host and beside a dom0 that run 6.12, and as hosts; and
6.12 for 32 bit."""

import kvm
import rig
from checks import READS, check_guest
from guests import guest_initrd
from kernelmode import LOAD, PAGER, check_kernel, check_l2, under_kvm, under_xen
from registry import scenario
from xen import domu

OLDER, NEWER = "pvfault-6.1/main", "pvfault-7.3/main"
LINE = f"pvfault=kernel {LOAD} load.secs=15 load.alone=1"


def of_version(kernel, check):
    """CHECK, and that the guest runs KERNEL's version."""
    version = rig.version_of(kernel)

    def both(v, guest):
        v.check(f"{guest.name}: it is Linux {version}",
                f"Linux version {version}." in guest.console)
        check(v, guest)
    return both


def as_l2(v, name, kernel, **more):
    """A guest of that name with KERNEL."""
    yield from under_kvm(v, kvm.L2(name, LINE, vcpus=2), of_version(kernel, check_l2),
                         l2_kernel=rig.kernel(kernel), **more)


def as_domu(v, name, kernel):
    yield from under_xen(v, domu(name, LINE, pager=PAGER, vcpus=2),
                         of_version(kernel, check_kernel), domu_kernel=rig.kernel(kernel))


@scenario(kernels=("main", OLDER), minutes=2, name="kvm-6.1")
def kvm_61(v):
    """kvm-kernel with Linux 6.1 as the guest, which has exception table entries of another
    type."""
    yield from as_l2(v, "older", OLDER)


@scenario(kernels=("main", NEWER), minutes=5, name="kvm-7.3")
def kvm_73(v):
    """kvm-kernel with Linux 7.3 as the guest of 6.12, and as the host of 6.12."""
    yield from as_l2(v, "newer", NEWER)
    yield from as_l2(v, "on-newer", "main", l1_kernel=rig.kernel(NEWER))


@scenario(kernels=("main", OLDER), minutes=2, name="kvm-nested-6.1")
def kvm_nested_61(v):
    """Linux 6.1 as a host of its own guests, where a patch of the series differs."""
    yield from kvm.nested(v, rig.kernel(OLDER))


@scenario(kernels=("main", NEWER), minutes=2, name="kvm-nested-7.3")
def kvm_nested_73(v):
    """Linux 7.3 as a host of its own guests."""
    yield from kvm.nested(v, rig.kernel(NEWER))


@scenario(kernels=("main", OLDER, "xen"), minutes=2, name="xen-6.1")
def xen_61(v):
    """xen-kernel with Linux 6.1 as the guest, 2 vCPUs."""
    yield from as_domu(v, "older", OLDER)


@scenario(kernels=("main", NEWER, "xen"), minutes=2, name="xen-7.3")
def xen_73(v):
    """xen-kernel with Linux 7.3 as the guest, 2 vCPUs."""
    yield from as_domu(v, "newer", NEWER)


@scenario(kernels=("main", "hostile", "i386", "i386-nopae"), minutes=3)
def kvm_i386(v):
    """kvm-swap with kernels of 32 bits as the guests, with PAE and without: they sleep in
    user mode only. TCG runs none under KVM as it is; a host in ``tests/patches`` passes over
    what TCG does to page directory pointers and to the task register."""
    guests = [kvm.L2(config, "pvfault=on load.secs=15 load.alone=1", kernel=rig.kernel(config))
              for config in ("i386", "i386-nopae")]
    yield kvm.host(*guests, reads=READS, l1_kernel=rig.kernel("hostile"),
                   initrd=guest_initrd(bits=32))
    for guest in guests:
        check_guest(v, guest)
        v.check(f"{guest.name}: it is a kernel of 32 bits",
                "MB LOWMEM available" in guest.console)
        v.check(f"{guest.name}: no task slept in kernel mode",
                guest.counter("sleep_kernel") == 0, guest.counter("sleep_kernel"))
        v.metrics[guest.name] = {"async_faults": guest.counter("sleep"),
                                 "overlap": guest.get("overlap"),
                                 "corrupt": guest.get("corrupt", -1)}
