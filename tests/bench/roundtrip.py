# SPDX-License-Identifier: GPL-2.0
"""roundtrip: instructions of a guest from the #PF of NOT_PRESENT until the task is
asleep, and from the interrupt of READY until it is runnable; and what each wait pays for
being measured, once it is over.

A real KVM host swaps a guest with a stock kernel, and in other boots one with pvfault,
under -icount, where the TSC counts instructions. The host traces where it injects, and
each entry and exit of the guest; the guest traces its scheduler. Only instructions of the
guest are counted, not the host's in between. Both figures include the same few hundred of
KVM's own between its trace event and VMRUN.

What a wait pays for being measured comes after both. A KUnit case counts it, in a plain boot
under -icount: it ends 100 waits with interrupts off.

pvfault's wait is one for I/O, which PSI accounts in the scheduler; stock's is not. So
there is one guest of each kernel without PSI, too.
"""

import bisect
import functools
import itertools
import pathlib
import re

import counted
import overlap
import report
import rig
from kvm import L2, TRACING

HERE = pathlib.Path(__file__).resolve().parent

KERNELS = ("stock", "pvfault")
READS = 1000        # a second of the clock that counts instructions, which is a slow one
LEAST = 100         # samples, of each guest
AFTER = 12          # lines of the host's trace that are looked at

# In L1, before a guest. The guest starts and stops the trace by leaves of CPUID.
BEFORE = f"""\
T={TRACING}
echo 0 >$T/tracing_on
echo 16384 >$T/buffer_size_kb
echo x86-tsc >$T/trace_clock
echo 'vector == 0xf3' >$T/events/kvm/kvm_inj_virq/filter
echo 'traceon if function == 0x4fff0001' >>$T/events/kvm/kvm_cpuid/trigger
echo 'traceoff if function == 0x4fff0002' >>$T/events/kvm/kvm_cpuid/trigger
for e in kvm_entry kvm_exit kvm_inj_exception kvm_inj_virq; do
	echo 1 >$T/events/kvm/$e/enable
done
echo >$T/trace
"""
AFTERWARDS = f"""\
sed -n -e 's/.* \\([0-9]*\\): kvm_entry:.*/E \\1/p' -e 's/.* \\([0-9]*\\): kvm_exit:.*/X \\1/p' \\
	-e 's/.*: kvm_inj_exception: #PF (0x0).*/P 0/p' \\
	-e 's/.*: kvm_inj_virq: .*/V 0/p' <{TRACING}/trace | sed -n '/^[PV]/,+{AFTER}p'
"""
OFFSET = "/sys/kernel/debug/kvm/*/vcpu0/tsc-offset"


class Traced(L2):
    strict = False
    traced = 0, []

    def __init__(self, kind, psi):
        super().__init__(f"{kind}{psi}", f"pvfault=user bench.touches=6000 psi={psi}",
                         mib=192, limit=240, kernel=rig.kernel(f"{kind}/main"),
                         steps=Traced.trace_it)

    def trace_it(self):
        """Note (offset of its TSC, [(what, ticks)]), as L1 traced them."""
        self.host.run(BEFORE)
        self.boot()
        self.until_phase("walk")
        offset = int(self.host.run(f"cat {OFFSET}"))
        self.until(lambda: not self.alive())
        lines = (line.split() for line in self.host.run(AFTERWARDS).splitlines())
        self.traced = offset, [(what, int(ticks)) for what, ticks in lines]


def samples(trace, what, ends):
    """Instructions of the guest from each injection WHAT to the next of ENDS."""
    offset, lines = trace
    found = []
    for i in (i for i, (kind, _) in enumerate(lines) if kind == what):
        ran, entered = 0, None
        for kind, ticks in lines[i + 1:i + AFTER]:
            if kind == what:
                break
            if kind == "E":
                entered = ticks
            elif kind == "X" and entered is not None:
                at = bisect.bisect_left(ends, entered + offset)
                if at < len(ends) and ends[at] <= ticks + offset:
                    found.append(ran + ends[at] - offset - entered)
                    break
                ran += ticks - entered
                entered = None
    return found


# The events of the host's and the guest's trace, and the spans that are counted.
FIGURES = (("P", "asleep", "#PF to asleep"), ("V", "runnable", "READY to runnable"))
PSI = {1: "", 0: ", psi=0"}


MEASURED = 10       # instructions, at most
COST = re.compile(r"(\d+) waits cost: user (-?\d+), kernel (-?\d+) ticks of the TSC")


def measured(v):
    """What a wait pays for its place in the histogram, the sums and the longest wait."""
    with rig.Boot("roundtrip-waits", rig.kernel(), accel=("-accel", "tcg", "-cpu", "max"),
                  append="kunit.enable=1 kunit.filter_glob=pvfault_waits.test_cost",
                  options=("-m", "512", "-icount", "shift=0,sleep=off")) as boot:
        for _ in boot.lines(240):
            pass
        found = COST.search(boot.text())
    v.check("the KUnit case has counted what a wait pays", found)
    for mode, ticks in zip(("user", "kernel"), found.groups()[1:] if found else ()):
        each = int(ticks) / int(found[1])
        report.note(v, f"a wait's figures, {mode} mode", "instructions", True,
                    f"at most {MEASURED}", 0 < each <= MEASURED, pvfault=[each])


def roundtrip(v):
    rig.say("roundtrip: four boots of the host under -icount with a guest each, "
            "6 minutes, and 7 more, cold, for building the kernels")
    overlap.build()
    measured(v)
    initrd = rig.archive("roundtrip-l2", {
        "proc": None, "sys": None, "dev": None, "tmp": None,
        "init": rig.guest_program("roundtrip", HERE / "guest/roundtrip.c")})
    rows = {}
    for kind, psi in itertools.product(KERNELS, PSI):
        g = counted.run(v, functools.partial(Traced, kind, psi), memory="110M", reads=READS,
                        initrd=initrd)
        v.check(f"{g.name}: ended, its memory as it was", g.done and g.get("walked") == 0)
        for what, key, title in FIGURES:
            found = samples(g.traced, what, sorted(map(int, g.all(key))))
            v.check(f"{g.name}: {title}: seen {LEAST} times", len(found) >= LEAST, len(found))
            rows[title + PSI[psi], kind] = sorted(found)
    for title in (title + psi for psi in PSI.values() for _, _, title in FIGURES):
        stock, ours = rows[title, "stock"], rows[title, "pvfault"]
        if stock and ours:
            report.note(v, title, "instructions", True, "at most stock's",
                        report.median(ours) <= report.median(stock),
                        stock=stock, pvfault=ours)
