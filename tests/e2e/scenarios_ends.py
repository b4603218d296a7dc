# SPDX-License-Identifier: GPL-2.0
"""A kernel ends under load, and another one begins in its memory. The host must not write
tokens of the first one into that. L1 traces what each vCPU writes to MSR_KVM_ASYNC_PF_EN."""

import kvm
import life
import rig
from checks import least
from guests import guest_initrd
from kvm import L2, told_turns
from registry import scenario


def check_told(v, guest, whole, again=False):
    """Check that each vCPU wrote on and then off to MSR_KVM_ASYNC_PF_EN, as its host saw it.
    It may write on several times, to ask for kernel mode. WHOLE: each vCPU, else one of
    them. AGAIN: after that the second kernel wrote on."""
    turns = told_turns(guest)
    good = [on[0] and len(on) >= 2 + again for on in turns]
    v.check(f"{guest.name}: a vCPU that was told said 'no more' before its kernel's end",
            good and (all(good) if whole else any(good)), turns)


def ending(how, vcpus=2, mib=256, memory="100M", line=""):
    """A guest whose kernel ends under load."""
    guest = L2(how, f"pvfault=on load.mb=96 load.secs=30 load.alone=1 load.end={how} "
               f"{line}", vcpus=vcpus, mib=mib, limit=400, steps=life.quit_when_done)
    guest.memory, guest.strict, guest.trace = memory, False, kvm.MSR_WRITES
    return guest


def check_ended(v, guest, console=None):
    """Checks of a guest whose kernel has ended. CONSOLE: the part of its console to check,
    if not all."""
    least(v, guest, "the first kernel had async faults", "first.sleep", 100)
    least(v, guest, "tasks slept when it ended", "first.outstanding", 1)
    v.check(f"{guest.name}: the second kernel came to its end", guest.done,
            f"exit {guest.get('exit')}")
    v.check(f"{guest.name}: its memory verified", guest.get("corrupt") == 0,
            guest.get("corrupt"))
    trouble = rig.trouble(guest.console if console is None else console)
    v.check(f"{guest.name}: the console is clean", not trouble, trouble[:3])
    v.metrics.update(asleep_at_end=guest.get("first.outstanding"),
                     corrupt=guest.get("corrupt"))


def check_second(v, guest, cpus):
    """Check that the host has forgotten the first kernel."""
    v.check(f"{guest.name}: the second kernel found MSR_KVM_ASYNC_PF_EN off",
            guest.get("second.en") == 0, guest.get("second.en"))
    v.check(f"{guest.name}: it has {cpus} CPU{'s' * (cpus > 1)}",
            guest.get("second.cpus") == cpus, guest.get("second.cpus"))
    v.metrics.update(msr_en=guest.get("second.en"))


@scenario(minutes=2, shown_by="life-sabotage",
          sabotages={"sysrq": "a vCPU that was told said 'no more'"})
def kvm_reboot(v, sabotage):
    """The kernel reboots under load, and uses async faults again. Sabotage "sysrq": a reset
    of which the kernel isn't told."""
    def reboot(guest):
        guest.host.run("dd if=/dev/zero of=/tmp/flag bs=512 count=8")
        life.quit_when_done(guest)

    guest = ending("reboot")
    guest.steps = reboot
    guest.options = ("-action", "reboot=reset", "-drive",
                     "file=/tmp/flag,if=virtio,format=raw")
    if sabotage:
        guest.line = guest.line.replace("load.end=reboot", "load.end=sysrq")
    yield kvm.host(guest)
    check_ended(v, guest)
    check_told(v, guest, True, again=True)
    least(v, guest, "the second kernel has async faults again", "counter.sleep", 100)


TOLD = {"told": "the second kernel found MSR_KVM_ASYNC_PF_EN off"}


def second_kernel(guest, sabotage):
    """GUEST brings a second kernel along. SABOTAGE: that one enables notifications, too."""
    guest.initrd = guest_initrd(kernel=rig.kernel(), initrd=guest_initrd())
    if sabotage:
        guest.line += " load.second_apf=1"
    return guest


@scenario(minutes=2, quick=True, sabotages=TOLD, shown_by="life-sabotage")
def kvm_kexec(v, sabotage):
    """Another kernel is started by kexec under load; it reads the MSR. Sabotage "told": it
    enables notifications, too."""
    guest = second_kernel(ending("kexec"), sabotage)
    yield kvm.host(guest)
    check_ended(v, guest)
    check_told(v, guest, True)
    check_second(v, guest, 2)


@scenario(minutes=2, sabotages=TOLD, shown_by="life-sabotage")
def kvm_kdump(v, sabotage):
    """kvm-kexec with the kernel that takes a crash dump, on 1 CPU."""
    guest = second_kernel(ending("crash", line="crashkernel=96M", mib=320, memory="110M"),
                          sabotage)
    yield kvm.host(guest)
    # The first kernel's console ends with its crash.
    first, _, console = guest.console.rpartition("Linux version")
    v.check("crash: it crashed by request", "sysrq triggered crash" in first)
    check_ended(v, guest, console)
    check_told(v, guest, False)
    check_second(v, guest, 1)
