# SPDX-License-Identifier: GPL-2.0
"""Commands in a host of guests, L1 or dom0, whose /init is guest/agent.c.

There are no threads: a wait for one job also reads what all other jobs write meanwhile.
"""

import select
import shlex
import struct
import time
from collections.abc import Callable

import rig

HEADER = struct.Struct("<III")          # job, what, octets
START, OUTPUT, END = range(3)           # as in guest/agent.c


class Job:
    """A command that runs. HEAR is called with each line that it writes; without HEAR the
    lines are kept."""

    def __init__(self, host: "Host", number: int, command: str,
                 hear: Callable[[str], None] | None = None):
        self.host, self.number, self.command, self.hear = host, number, command, hear
        self.output, self.session = b"", ""
        self.status: int | None = None      # at its end; 128 + N if signal N ended it

    def take(self, what: int, data: bytes) -> None:
        if what == START:
            self.session = data.decode()
        elif what == END:
            self.status = int(data)
        else:
            self.output += data
            while self.hear and b"\n" in self.output:
                self.hear(self.line())

    def line(self) -> str:
        """Take the first line out of what it has written."""
        line, _, self.output = self.output.partition(b"\n")
        return line.decode(errors="replace")

    def wait(self, limit: float = 120) -> int:
        """Return its status; it must end within LIMIT s, and is killed if it doesn't."""
        if not self.host.within(limit, lambda: self.status is not None):
            self.kill()
            raise self.host.failure(f"no end of '{self.command}' within {limit} s")
        return self.status

    def kill(self, signal: int = 9) -> None:
        """Send SIGNAL to all its processes; it may have ended."""
        if self.status is None and self.host.within(10, lambda: self.session):
            self.host.spawn(f"kill -{signal} -{self.session}")


class Host:
    """The commands of one boot. It is up when its agent says so, within LIMIT s."""

    def __init__(self, boot: rig.Boot, limit: float = 300):
        self.boot, self.port = boot, boot.ports["agent"][0]
        self.rest, self.jobs = b"", []
        self.last = ""          # what a guest has said
        self.jobs.append(Job(self, 0, "its boot"))
        if not self.within(limit, lambda: self.jobs[0].status == 0):
            raise self.failure(f"no word of its agent within {limit} s")

    def failure(self, what: str) -> rig.Failure:
        return rig.Failure(f"{what}; {self.boot.stuck(self.last)}")

    def listen(self, seconds: float) -> None:
        """Take in what its jobs have written, waiting for SECONDS at most."""
        if not select.select([self.port], [], [], seconds)[0]:
            return
        new = self.port.recv(1 << 16)
        if not new:
            raise self.failure("its QEMU has ended")
        self.rest += new
        while len(self.rest) >= HEADER.size:
            number, what, octets = HEADER.unpack_from(self.rest)
            end = HEADER.size + octets
            if len(self.rest) < end:
                return
            data, self.rest = self.rest[HEADER.size:end], self.rest[end:]
            self.jobs[number].take(what, data)

    def within(self, seconds: float, condition: Callable[[], object]) -> bool:
        """Listen until CONDITION holds, for SECONDS at most; return whether it does."""
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.listen(left)
        return True

    def spawn(self, command: str, hear: Callable[[str], None] | None = None) -> Job:
        """Begin a command of the shell, and don't wait for it."""
        self.jobs.append(Job(self, len(self.jobs), command, hear))
        data = command.encode()
        try:
            self.port.sendall(HEADER.pack(len(self.jobs) - 1, START, len(data)) + data)
        except OSError as gone:
            raise self.failure("its QEMU has ended") from gone
        return self.jobs[-1]

    def run(self, command: str, limit: float = 120) -> str:
        """The output of a command of the shell, which must succeed within LIMIT s."""
        job = self.spawn(command)
        status, text = job.wait(limit), job.output.decode(errors="replace")
        if status:
            raise rig.Failure(f"'{command}' ended with status {status}: {text.strip()[-200:]}")
        return text

    def read(self, path: str) -> str:
        return self.run(f"cat {shlex.quote(path)}")

    def write(self, path: str, text: object) -> None:
        """Write TEXT and a newline."""
        self.run(f"echo {shlex.quote(str(text))} >{shlex.quote(path)}")
