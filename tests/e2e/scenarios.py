# SPDX-License-Identifier: GPL-2.0
"""What each scenario boots, and what must have come out of it."""

import re

import rig
from kvm import L2, run_guests

ALL = {}

# Read rate of the host's swap while guests are measured.
READS = 100

# The KUnit suites in every kernel.
SUITES = ("pvfault_table", "pvfault_backend", "pvfault_random", "pvfault_where",
          "pvfault_alloc", "pvfault_xen_ring", "pvfault_xen_offer")

# Preemption models that one kernel can be booted with.
PREEMPTION = ("none", "voluntary", "full")

# A sabotage of kvm-swap or xen-paging, and the check that it must turn red.
SABOTAGES = {
    "flip": "memory verified",
    "hang": "came to its end",
    "warning": "consoles are clean",
    "early": "nobody is left asleep",
    "off": "async faults happened",
}


def scenario(name):
    def add(fn):
        ALL[name] = fn
        return fn
    return add


def check_guest(v, guest, asynchronous=True):
    """What holds for every guest, whatever it was booted for."""
    name = guest.name
    v.check(f"{name}: came to its end", guest.done, f"exit {guest.get('exit')}")
    v.check(f"{name}: memory verified", guest.get("corrupt") == 0,
            f"{guest.get('corrupt')} wrong words")
    v.check(f"{name}: consoles are clean", not guest.trouble, guest.trouble[:3])
    if not asynchronous:
        return
    c = guest.counter
    v.check(f"{name}: async faults happened", c("sleep") > 100, c("sleep"))
    v.check(f"{name}: nobody is left asleep", guest.get("pvfault.outstanding") == 0,
            guest.get("pvfault.outstanding"))
    ends = c("wake") + c("retry") + c("abandoned")
    v.check(f"{name}: every sleep has ended once", c("sleep") == ends,
            f"{c('sleep')} = {c('wake')} + {c('retry')} + {c('abandoned')}")
    v.check(f"{name}: every NOT_PRESENT is accounted for",
            c("not_present") == c("sleep") + c("early_hit") + c("rejected"),
            f"{c('not_present')} = {c('sleep')} + {c('early_hit')} + {c('rejected')}")


def figures(off, on):
    return {"overlap_off": off.get("overlap"), "overlap_on": on.get("overlap"),
            "async_faults": on.counter("sleep"), "retries": on.counter("retry"),
            "corrupt": off.get("corrupt", -1) + on.get("corrupt", -1),
            "corrupt_off": off.get("corrupt"), "corrupt_on": on.get("corrupt"),
            "worst_touch_ms": on.get("worst_touch_ms"),
            "worst_touch_off_ms": off.get("worst_touch_ms"),
            "reads_per_second": READS}


def side_by_side(v, boot):
    """BOOT returns a guest without and one with pvfault, measured one after the other:
    3 times the overlap is wanted. Where it falls short, something else may have had
    the CPU meanwhile: then it is done twice more, and the median of all decides.
    Return: the guests of that one."""
    pairs = [boot()]
    if ratio(pairs[0]) < 3:
        rig.say(f"{v.name}: {ratio(pairs[0]):.1f} times only; twice more, for the median")
        pairs += [boot(), boot()]
    off, on = sorted(pairs, key=ratio)[len(pairs) // 2]
    v.check("overlap_on >= 3 x overlap_off", ratio((off, on)) >= 3,
            f"{on.get('overlap')} against {off.get('overlap')}")
    v.metrics.update(figures(off, on))
    v.metrics["overlaps"] = [[g.get("overlap") for g in pair] for pair in pairs]
    return off, on


def ratio(pair):
    off, on = (guest.get("overlap", 0) for guest in pair)
    return on / off if off else 0


@scenario("kvm-swap")
def kvm_swap(sabotage):
    """The main job: the same guest without and with pvfault, 1 vCPU."""
    if sabotage == "lost-ready":
        return kvm_lost_ready("kvm-swap")
    known_sabotage("kvm-swap", sabotage, ("lost-ready",))
    v = rig.Verdict("kvm-swap")

    def boot():
        off = L2("off", "pvfault=off")
        on = L2("on", sabotaged(sabotage))
        v.check("the host's console is clean",
                not run_guests("kvm-swap", [off, on], reads=READS))
        check_guest(v, off, asynchronous=False)
        check_guest(v, on)
        return off, on

    side_by_side(v, boot)
    return v


def sabotaged(what):
    if what == "off":
        return "pvfault=off"
    return f"pvfault=on load.sabotage={what}" if what else "pvfault=on"


def judge_red(v, what, guest, check, want):
    """WHAT was done to GUEST: CHECK must find it by the check that begins with WANT."""
    scratch = rig.Verdict("scratch", quiet=True)
    check(scratch, guest)
    failed = [c["name"] for c in scratch.checks if not c["pass"]]
    v.check(f"sabotage turns red: {what}", any(f.startswith(want) for f in failed), failed)


def judge_sabotages(v, guests, check, sabotages=SABOTAGES):
    """Each of GUESTS was sabotaged: CHECK must find it by the check that is meant."""
    for guest in guests:
        judge_red(v, guest.name, guest, check, f"{guest.name}: {sabotages[guest.name]}")
    return v


def known_sabotage(name, what, others=(), usual=SABOTAGES):
    known = (*others, *usual)
    if what and what not in known:
        raise rig.Failure(f"{name} knows the sabotages {', '.join(known)}, not '{what}'.")


@scenario("kvm-sabotage")
def kvm_sabotage(sabotage):
    """Each check of kvm-swap can fail: sabotage them one by one, in one boot."""
    guests = [L2(what, f"{sabotaged(what)} load.secs=3 load.alone=1",
                 limit=300 if what != "hang" else 60) for what in SABOTAGES]
    run_guests("kvm-sabotage", guests, reads=READS)
    return judge_sabotages(rig.Verdict("kvm-sabotage"), guests, check_guest)


@scenario("kvm-smp")
def kvm_smp(sabotage):
    """2 and 4 vCPUs, and the other preemption models, for correctness: with one
    CPU in L1 the overlap of several vCPUs means little."""
    v = rig.Verdict("kvm-smp")
    guests = [L2(f"smp{n}", f"pvfault=on load.secs=10 load.alone=1 preempt={model}",
                    vcpus=n) for n, model in ((2, "none"), (4, "voluntary"))]
    v.check("the host's console is clean",
            not run_guests("kvm-smp", guests, reads=4 * READS))
    for guest in guests:
        check_guest(v, guest)
        v.metrics[f"async_faults_{guest.name}"] = guest.counter("sleep")
        v.metrics[f"worst_touch_ms_{guest.name}"] = guest.get("worst_touch_ms")
    return v


@scenario("kvm-hotplug")
def kvm_hotplug(sabotage):
    """A vCPU goes offline and online all the while."""
    v = rig.Verdict("kvm-hotplug")
    guest = L2("hotplug", "pvfault=on load.secs=40 load.alone=1 load.hotplug=1",
               vcpus=4, limit=300)
    v.check("the host's console is clean",
            not run_guests("kvm-hotplug", [guest], reads=4 * READS))
    check_guest(v, guest)
    v.check("hotplug: a vCPU went and came", guest.get("cpu_switches", 0) > 10,
            guest.get("cpu_switches"))
    v.metrics.update(async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt"),
                     cpu_switches=guest.get("cpu_switches"))
    return v


def nested(name, kernel):
    """L2, with this KERNEL, runs guests of its own while L1 swaps the memory of all."""
    v = rig.Verdict(name)
    guest = L2("nested", "pvfault=on load.secs=15 load.alone=1 load.mb=128 "
                  "load.tasks=2 load.guest=2")
    # QEMU 7.2 has no name for KVM_FEATURE_ASYNC_PF_VMEXIT, and passes on what
    # it can't name only to guests that can't migrate.
    guest.before = "cpu=$cpu,migratable=off"
    v.check("the host's console is clean",
            not run_guests(name, [guest], memory="130M", reads=4 * READS,
                           l2_kernel=kernel))
    check_guest(v, guest)
    v.check("nested: the guest's guests ran", guest.get("nested_walks", 0) > 0,
            guest.get("nested_walks"))
    v.check("nested: their memory verified", guest.get("nested_wrong") == 0,
            guest.get("nested_wrong"))
    v.check("nested: notifications came as #PF vmexits",
            guest.counter("deferred") > 0, guest.counter("deferred"))
    v.metrics.update(async_faults=guest.counter("sleep"),
                     by_vmexit=guest.counter("deferred"),
                     corrupt=guest.get("corrupt", -1))
    return v


@scenario("kvm-nested")
def kvm_nested(sabotage):
    return nested("kvm-nested", rig.kernel())


def kvm_lost_ready(name):
    """A host that loses READY: its interrupt (repair), or all of it (retry)."""
    v = rig.Verdict(name)
    irq = L2("lost-interrupt", "pvfault=on load.secs=8 load.alone=1", limit=300)
    token = L2("lost-token",
                  "pvfault=on pvfault_deadline_ms=2000 load.secs=8 load.alone=1",
                  limit=300)
    lose = "/sys/module/kvm/parameters/lose_"
    # Until it is repaired, a lost interrupt holds up all completions of its
    # vCPU, a lost token only its own task.
    irq.before = f"echo 1000 >{lose}interrupt"
    token.before = f"echo 0 >{lose}interrupt; echo 500 >{lose}token"
    v.check("the host's console is clean",
            not run_guests(name, [irq, token], reads=4 * READS,
                           l1_kernel=rig.kernel("hostile")))
    for guest in (irq, token):
        check_guest(v, guest)
    v.check("lost interrupts were repaired", irq.counter("repair") > 0,
            irq.counter("repair"))
    v.check("no repaired wait ran into its deadline", irq.counter("retry") == 0,
            irq.counter("retry"))
    v.check("a repair comes within 1 to 2 s, with a read's time on top",
            irq.get("worst_touch_ms", 1e9) < 3000, irq.get("worst_touch_ms"))
    v.check("lost tokens were retried", token.counter("retry") > 0,
            token.counter("retry"))
    told = re.findall(r"pvfault: kvm: \S+ waited \d+ ms for token 0x\w+, retries",
                      token.console)
    v.check("retries are reported in the guest's log, at a limited rate",
            0 < len(told) <= token.counter("retry"), len(told))
    v.check("a retry comes within a second of its deadline",
            token.get("worst_touch_ms", 1e9) < 4500, token.get("worst_touch_ms"))
    v.metrics.update(repairs=irq.counter("repair"), retries=token.counter("retry"),
                     recovery_ms_repair=irq.get("worst_touch_ms"),
                     recovery_ms_retry=token.get("worst_touch_ms"),
                     corrupt=irq.get("corrupt", -1) + token.get("corrupt", -1))
    return v


def kunit_boot(v, config, line, limit, cpu="max", tree="pvfault"):
    """The KUnit suites, in a guest without a hypervisor's notifications."""
    label = line if cpu == "max" else f"{line} {cpu}"
    # With a movable zone, for what the Xen frontend offers.
    with rig.Boot(f"{v.name}-{label.partition('=')[2].replace(' ', '-')}",
                  rig.kernel(config, tree),
                  accel=("-accel", "tcg,thread=multi", "-cpu", cpu),
                  append=f"kunit.enable=1 kernelcore=512M {line}",
                  options=(*rig.smp(2), "-m", "1024")) as boot:
        for _ in boot.lines(limit):
            pass
        text = boot.text()
    found = re.findall(r"^\s*# (pvfault_\w+): pass:(\d+) fail:(\d+) skip:(\d+) "
                       r"total:(\d+)", text, re.M)
    v.check(f"{label}: every suite ran", {f[0] for f in found} >= set(SUITES),
            [f[0] for f in found])
    passed, failed, skipped, total = (sum(int(f[i]) for f in found)
                                      for i in range(1, 5))
    for result in re.findall(r"^\s{4}((?:not )?ok \d+ .*)$", text, re.M):
        good = result.startswith("ok")
        v.check(f"{label}: {result.split(' ', 2)[2] if good else result}", good)
    v.check(f"{label}: none failed, most ran", passed > 10 and not failed,
            f"{passed} passed, {failed} failed, {skipped} skipped of {total}")
    # Booted without a root on purpose: the panic at the end is the end.
    text = text.split("Kernel panic - not syncing: VFS")[0]
    v.check(f"{label}: the console is clean", not rig.trouble(text),
            rig.trouble(text)[:3])
    v.metrics[label] = {"passed": passed, "failed": failed, "skipped": skipped}


def kunit_suites(name, config, limit=180, tree="pvfault"):
    v = rig.Verdict(name)
    for model in PREEMPTION:
        kunit_boot(v, config, f"preempt={model}", limit, tree=tree)
    # Where tasks may sleep in kernel mode is found out by other means there.
    kunit_boot(v, config, "preempt=none", limit, cpu="max,-smap", tree=tree)
    return v


@scenario("kunit")
def kunit(sabotage):
    return kunit_suites("kunit", "main")


@scenario("kunit-debug")
def kunit_debug(sabotage):
    return kunit_suites("kunit-debug", "debug", limit=600)


@scenario("kunit-rt")
def kunit_rt(sabotage):
    """The KUnit suites in a kernel with PREEMPT_RT."""
    v = rig.Verdict("kunit-rt")
    kunit_boot(v, "rt", "pvfault=on", 600)
    return v


@scenario("kvm-swap-debug")
def kvm_swap_debug(sabotage):
    """kvm-swap with lockdep, raw-lock nesting, atomic-sleep checks and KASAN
    in L2; too slow for figures."""
    v = rig.Verdict("kvm-swap-debug")
    guest = L2("debug", "pvfault=on load.secs=40 load.alone=1 load.mb=128",
                  vcpus=2, mib=512, limit=500)
    v.check("the host's console is clean",
            not run_guests("kvm-swap-debug", [guest], reads=2 * READS,
                           memory="150M", l2_kernel=rig.kernel("debug")))
    check_guest(v, guest)
    v.metrics.update(async_faults=guest.counter("sleep"),
                     corrupt=guest.get("corrupt", -1))
    return v


# One access in so many is watched; only pvfault's are.
KCSAN = "kcsan.skip_watch=20"


@scenario("kunit-kcsan")
def kunit_kcsan(sabotage):
    """Sabotage "race": there is a data race, in the tests."""
    if sabotage not in ("", "race"):
        raise rig.Failure(f"kunit-kcsan knows the sabotage race, not '{sabotage}'.")
    v = rig.Verdict("kunit-kcsan")
    kunit_boot(v, "kcsan", f"preempt=full {KCSAN} test_random.race={int(bool(sabotage))}", 600)
    return v


@scenario("kvm-swap-kcsan")
def kvm_swap_kcsan(sabotage):
    """kvm-swap with KCSAN in L2; see kunit-kcsan for whether it finds anything."""
    known_sabotage("kvm-swap-kcsan", sabotage)
    v = rig.Verdict("kvm-swap-kcsan")
    guest = L2("kcsan", f"{sabotaged(sabotage)} {KCSAN} load.secs=20 load.alone=1 "
               "load.mb=128", vcpus=2, limit=300)
    v.check("the host's console is clean",
            not run_guests("kvm-swap-kcsan", [guest], reads=2 * READS, memory="130M",
                           l2_kernel=rig.kernel("kcsan")))
    check_guest(v, guest)
    v.check("kcsan: accesses were watched", guest.get("kcsan_watched", 0) > 1000,
            guest.get("kcsan_watched"))
    v.metrics.update(async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt", -1),
                     watched=guest.get("kcsan_watched"))
    return v


@scenario("bad-parameters")
def bad_parameters(sabotage):
    """Boot parameters that make no sense are named, and the default is used."""
    v = rig.Verdict("bad-parameters")
    for name, line, want in (
            ("pvfault", "pvfault=maybe",
             "pvfault=maybe is none of on, off, user, kernel; using on"),
            ("deadline", "pvfault_deadline_ms=5",
             "pvfault_deadline_ms=5 is not in 1000..3600000, using 10000"),
            ("deadline-text", "pvfault_deadline_ms=soon", "pvfault_deadline_ms=soon is not"),
            ("off", "pvfault=off", "no backend: switched off by pvfault=off"),
            ("misspelt", "no-kvm-apf", 'Unknown kernel command line parameters "no-kvm-apf"'),
            ("none", "", "no backend: no supported hypervisor")):
        with rig.Boot(f"parameter-{name}", rig.kernel(), append=line,
                      options=("-m", "256")) as boot:
            for _ in boot.lines(60):
                pass
            text = boot.text()
        v.check(f"'{line}': \"{want}\", once", text.count(want) == 1, text.count(want))
    return v


@scenario("kvm-lost-ready")
def kvm_lost_ready_scenario(sabotage):
    return kvm_lost_ready("kvm-lost-ready")
