"""Commands in network namespaces: several are started before the first is waited for."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from testbed.netns import entered

AT_ONCE = 8
"""Processes that run at one time: enough for every processor, and few beside a repair that cannot wait."""


class CommandError(Exception):
    """A command failed; the message has the namespace, the command and what it wrote."""


class NamespaceGoneError(CommandError):
    """There is no such namespace."""


@dataclass(frozen=True)
class Command:
    """A command for `namespace`, and its standard input."""

    namespace: str
    argv: tuple[str, ...]
    text: str = ""


@dataclass(frozen=True)
class Done:
    """What came of a command; `code` None if its namespace is gone."""

    command: Command
    code: int | None
    out: str = ""
    err: str = ""

    @property
    def gone(self) -> bool:
        """Whether the namespace is not there."""
        return self.code is None

    def checked(self) -> str:
        """The standard output; CommandError, or NamespaceGoneError, if it failed."""
        if self.gone:
            raise NamespaceGoneError(f"namespace {self.command.namespace} is gone")
        if self.code:
            shown = " ".join(self.command.argv)
            raise CommandError(f"{self.command.namespace}: {shown}: exit code {self.code}: {self.err.strip()}")
        return self.out


@dataclass(frozen=True)
class Refused:
    """A line of a batch that the kernel, or `ip` itself, did not take."""

    line: str
    message: str


def run(commands: Iterable[Command]) -> list[Done]:
    """What came of `commands`, in their order; OSError if one cannot be started at all."""
    waiting = iter(commands)
    done: list[Done] = []
    while some := [_start(command) for command in islice(waiting, AT_ONCE)]:
        done += [_finish(command, process) for command, process in some]
    return done


def ip_batch(namespace: str, lines: Sequence[str], version: int | None = None) -> Command:
    """`ip -batch`, which goes on after a line that fails; `version` is that of the addresses that have none."""
    family = (f"-{version}",) if version else ()
    return Command(namespace, ("ip", *family, "-force", "-batch", "-"), "".join(f"{line}\n" for line in lines))


def refused(batch: Done) -> tuple[Refused, ...]:
    """The lines of an `ip_batch` that failed. What `ip` cannot parse ends it: then that is the last of them."""
    if not batch.code:
        return ()
    lines = batch.command.text.splitlines()
    found, message = [], list[str]()
    for line in batch.err.splitlines():
        if failed := re.fullmatch(r"Command failed -:(\d+)", line):
            found.append(Refused(lines[int(failed[1]) - 1], _message(message)))
            message = []
        else:
            message.append(line)
    return (*found, Refused("this line or a later one ended the batch", _message(message))) if message else (*found,)


def _message(lines: Iterable[str]) -> str:
    return "; ".join(line.removeprefix("RTNETLINK answers: ").removeprefix("Error: ") for line in lines)


def _start(command: Command) -> tuple[Command, subprocess.Popen[str] | None]:
    # A file holds any input at once, where a pipe would have to be fed while others are started.
    with _memory(command.text) as stdin:
        try:
            with entered(command.namespace):
                process = subprocess.Popen(
                    command.argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
        except FileNotFoundError as error:
            if error.filename == command.argv[0]:
                raise
            return command, None
    return command, process


def _finish(command: Command, process: subprocess.Popen[str] | None) -> Done:
    if process is None:
        return Done(command, None)
    out, err = process.communicate()
    return Done(command, process.returncode, out, err)


@contextmanager
def _memory(text: str) -> Iterator[int]:
    file = os.memfd_create("stdin")
    try:
        os.write(file, text.encode())
        os.lseek(file, 0, os.SEEK_SET)
        yield file
    finally:
        os.close(file)
