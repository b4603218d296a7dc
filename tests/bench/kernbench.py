# SPDX-License-Identifier: GPL-2.0
"""kernbench, with and without the hook: a real C project compiled at half, optimal and
maximal load, no hypervisor, no paging, as for the patch "Add 'handle page fault' PV helper"
on linux-kernel in January 2010; and kernbench-swap: the same project compiled in a guest
that its host has swapped out before each run.

kernbench's seconds are instructions, 10^9 a second (-icount), and it has one CPU, so that
all of them are its own. With two emulated CPUs the same work takes up to a third more or
less from one boot to the next, depending on how QEMU's threads meet.
"""

import pathlib
import re
import shutil
import statistics
import subprocess

import life
import overlap
import report
import rig
from kvm import slow_disk

HERE = pathlib.Path(__file__).resolve().parent

LOADS = {"1": "half load -j 1", "8": "optimal load -j 8", "32": "maximal load -j 32"}
RUNS = 1        # of each load in each boot
ORDER = ("main", "off", "off", "main")
COLUMNS = ("Elapsed Time", "User Time", "System Time", "Context Switches", "Sleeps")

MAKEFILE = """\
OBJS = $(patsubst %.c,%.o,$(wildcard *.c))
CFLAGS = -O0 -I. -Ilibfdt
all: dtc
dtc: $(OBJS)
\tgcc -o $@ $^
%.o: %.c
\tgcc $(CFLAGS) -c -o $@ $<
clean:
\trm -f *.o dtc
"""


def output(*cmd, **kwargs):
    return subprocess.check_output([str(c) for c in cmd], text=True, **kwargs)


def project():
    """The device tree compiler of the kernel's own source, ready to compile."""
    top = rig.BUILD / "rig" / "project"
    shutil.rmtree(top, ignore_errors=True)
    source = rig.BUILD / "stock/src/scripts/dtc"
    shutil.copytree(source, top, ignore=shutil.ignore_patterns("include-prefixes"))
    for name in ("fdtdump.c", "fdtoverlay.c", "fdtget.c", "fdtput.c"):
        (top / name).unlink(missing_ok=True)
    rig.run("flex", "-o", "dtc-lexer.lex.c", "dtc-lexer.l", cwd=top)
    rig.run("bison", "-d", "-o", "dtc-parser.tab.c", "dtc-parser.y", cwd=top,
            stderr=subprocess.DEVNULL)
    for path in (top / "libfdt").glob("*.c"):
        shutil.move(path, top / path.name)
    (top / "yamltree.c").unlink(missing_ok=True)
    for path in top.glob("*.c"):
        path.write_text("#define NO_YAML\n" + path.read_text())
    (top / "Makefile").write_text(MAKEFILE)
    rig.run("make", "-s", "-j2", cwd=top)
    rig.run("make", "-s", "clean", cwd=top)
    return top


def compiler(top):
    """The files that gcc needs to compile and link TOP, from this machine."""
    files = {}
    for name in ("make", "gcc", "as", "ld", "rm"):
        files.update(rig.with_libraries(name))
    files.update(rig.with_libraries("sh"))
    for name in ("cc1", "collect2"):
        files.update(rig.with_libraries(output("gcc", f"-print-prog-name={name}").strip()))
    for name in ("liblto_plugin.so", "crt1.o", "Scrt1.o", "crti.o", "crtn.o", "crtbegin.o",
                 "crtbeginS.o", "crtend.o", "crtendS.o", "libgcc.a", "libgcc_s.so",
                 "libgcc_s.so.1", "libc.so", "libc.so.6", "libc_nonshared.a"):
        path = pathlib.Path(output("gcc", f"-print-file-name={name}").strip())
        if path.is_absolute():
            files[str(path).lstrip("/")] = path.resolve()
            files[str(path.resolve()).lstrip("/")] = path.resolve()
    headers = output("gcc", "-O0", "-I.", "-Ilibfdt", "-M", *sorted(
        p.name for p in top.glob("*.c")), cwd=top)
    for header in set(re.findall(r"(?<!\S)(/\S+\.h)", headers)):
        files[header.lstrip("/")] = pathlib.Path(header)
    return files


def guest():
    top = project()
    files = compiler(top)
    # Where the folders really are: gcc's names have ".." in them, and Debian's
    # /bin and /lib are links, which the guest gets too.
    files = {str(pathlib.Path("/", k).parent.resolve() / pathlib.Path(k).name).lstrip("/"): v
             for k, v in files.items()}
    files.update({d: ("->", f"usr/{d}") for d in ("bin", "lib", "lib64")})
    for path in top.rglob("*"):
        if path.is_file():
            files[f"project/{path.relative_to(top)}"] = path
    files.update({d: None for d in ("proc", "dev", "sys", "tmp")})
    files["init"] = rig.guest_program("kernbench", HERE / "guest/kernbench.c")
    return rig.archive("kernbench", files)


def boot(config, number, initrd, rows):
    rig.say(f"kernbench, boot {number} of {len(ORDER)}: {config}")
    with rig.Boot(f"kernbench-{config}", rig.kernel(config), [initrd],
                  append=f"bench.runs={RUNS} bench.jobs={','.join(LOADS)}",
                  options=("-m", "2048", "-icount", "shift=0,sleep=off"),
                  accel=("-accel", "tcg", "-cpu", "max")) as machine:
        done = False
        for line in machine.lines(1500):
            words = line.split()
            if words[:1] == ["took"]:
                rows.setdefault((config, words[1]), []).append(list(map(float, words[2:])))
            done |= line == "done 1"
        if not done:
            raise rig.Failure(f"a kernbench guest did not finish; see {machine.console}")


def kernbench(v):
    rig.say("kernbench: 4 boots of 4 compilations each, 12 minutes, "
            "and 10 more, cold, for building the kernels")
    rig.run(rig.ROOT / "scripts/kernel.sh", "stock", "unpack")
    for config in ("main", "off"):
        rig.run(rig.ROOT / "scripts/kernel.sh", "pvfault", config)
    initrd = guest()
    rows = {}
    for number, config in enumerate(ORDER, 1):
        boot(config, number, initrd, rows)

    print(f"\n  {'With the hook:':<48}Without the hook:")
    for load, title in LOADS.items():
        print(f"  Average {title} run (std deviation):")
        for i, column in enumerate(COLUMNS):
            cells = []
            for config in ("main", "off"):
                seen = [r[i] for r in rows[config, load]]
                cells.append(f"{column} {statistics.mean(seen):.3f} "
                             f"({statistics.stdev(seen):.3f})")
            print(f"    {cells[0]:<46}{cells[1]}")
        with_, without = ([r[0] for r in rows[c, load]] for c in ("main", "off"))
        ratio = statistics.median(with_) / statistics.median(without)
        v.metrics[f"ratio_j{load}"] = round(ratio, 4)
        report.note(v, f"-j {load}, nobody pages", "10^9 instr.", True,
                    "=n's, within 0.5 %", 0.995 < ratio < 1.005, off=without, pvfault=with_)
    v.metrics["rows"] = {f"{c} -j{load}": r for (c, load), r in rows.items()}


SWAP_LOADS = ("2", "8")
SWAP_ROUNDS = 2
SWAP_MIB = 384          # the guest's; its files, unpacked, take 90
# The time of a read, a hard disk's access time in 2010. The disk of the other benchmarks, with
# so many reads a second, would be the limit by itself, with pvfault or without.
SWAP_MS = 8


def kernbench_swap(v):
    rig.say(f"kernbench-swap: a boot of the host with {3 * SWAP_ROUNDS} guests, 26 minutes, "
            "and 7 more, cold, for building the kernels")
    overlap.build()
    guests, turns = overlap.run_in_turns(
        v.name, f"bench.told=ttyS1 bench.jobs={','.join(SWAP_LOADS)}", SWAP_ROUNDS,
        memory="max", reads=0,
        l1_line=slow_disk(SWAP_MS), initrd=guest(),
        guest_options={"mib": SWAP_MIB, "limit": 600,
                       "steps": lambda g: life.squeeze(g, len(SWAP_LOADS))})
    for g in turns:
        v.check(f"{g.name}: compiled at all loads", g.done and
                len(g.all("took")) == len(SWAP_LOADS) and not g.all("error"), g.all("took"))
        # In octets: how much was left in memory, and how much was in the host's swap.
        squeezed = [tuple(map(int, said.split())) for said in g.all("squeezed")]
        v.check(f"{g.name}: most of its memory was taken before each",
                len(squeezed) == len(SWAP_LOADS) and all(out > 10 * left
                                                         for left, out in squeezed), squeezed)
        v.metrics[g.name] = {"took": g.all("took"), "squeezed": squeezed,
                             **{k: g.get(k) for k in ("sleeps", "in_kernel", "rejected")}}
    for load in SWAP_LOADS:
        rows = {kind: [float(line.split()[1]) for g in guests[kind]
                       for line in g.all("took") if line.split()[0] == load]
                for kind in guests}
        if all(rows.values()):
            report.note(v, f"-j {load}, {SWAP_MS} ms a read", "s", True, "less than stock",
                        report.median(rows["pvfault"]) < report.median(rows["stock"]), **rows)
