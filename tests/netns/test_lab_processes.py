from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from testbed import netns
from testbed.errors import HostError, RunInvalidError
from testbed.lab import proc
from testbed.lab.base import base_namespace
from testbed.lab.ledger import Ledger, read_lab
from testbed.lab.processes import Command, Supervisor
from testbed.plan.model import PlannedProcess
from tests.support.polling import eventually

pytestmark = pytest.mark.netns

READY = 'import json, os, signal, sys, time\nprint(json.dumps({"event": "ready", "t": time.time()}), flush=True)\n'
STAY = "time.sleep(60)\n"


class Rig:
    """A supervisor whose base namespace is a scratch one, and the events that came."""

    def __init__(self, ledger: Ledger, run_dir: Path) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.ledger = ledger
        self.run_dir = run_dir
        self.supervisor = Supervisor(
            ledger.names, ledger, run_dir, lambda process, event: self.events.append((process, event))
        )

    def start(self, name: str, program: str, **options: Any) -> None:
        self.supervisor.start(Command(name, None, (sys.executable, "-c", program), **options))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with base_namespace(tmp_path / "labs") as ledger:
        rig = Rig(ledger, tmp_path / "run")
        with closing(rig.supervisor):
            yield rig


def died(rig: Rig) -> bool:
    try:
        rig.supervisor.check()
    except RunInvalidError:
        return True
    return False


def test_a_planned_process_runs_in_its_namespace_with_its_placeholders_filled(rig: Rig) -> None:
    program = READY + (
        'told = {"event": "told", "argv": sys.argv[1:], "config": open(sys.argv[1]).read(), '
        '"ns": os.stat("/proc/self/ns/net").st_ino}\nprint(json.dumps(told), flush=True)\n' + STAY
    )
    argv = ("{python}", "-c", program, "{config}", "--run={run}", "{state}/x.sock")
    rig.supervisor.start_planned(PlannedProcess("nf", None, argv, "a: {b: {state}/nf.sock}\n"))
    rig.supervisor.wait_ready("nf")
    eventually(lambda: len(rig.events) == 2)
    name, told = rig.events[1]
    state = rig.ledger.directory
    assert name == "nf"
    assert told["argv"] == [f"{rig.run_dir}/config/nf.yml", f"--run={rig.run_dir}", f"{state}/x.sock"]
    assert told["config"] == f"a: {{b: {state}/nf.sock}}\n"
    assert told["ns"] == (netns.NETNS_DIR / rig.ledger.names.base).stat().st_ino
    assert [process.pid for process in read_lab(state).processes] == [rig.supervisor.pid("nf")]


def test_a_process_that_ends_before_it_is_ready_is_named_with_the_end_of_its_log(rig: Rig) -> None:
    rig.start("bad", 'import sys; print("no such port", file=sys.stderr); sys.exit(3)')
    with pytest.raises(RunInvalidError, match="bad ended with exit code 3 before it was ready") as caught:
        rig.supervisor.wait_ready("bad")
    assert (caught.value.process, caught.value.log_tail) == ("bad", ("no such port",))


def test_a_process_that_is_never_ready_is_not_waited_for_forever(rig: Rig) -> None:
    rig.start("mute", "import time; time.sleep(60)")
    with pytest.raises(RunInvalidError, match=r"mute was not ready within 0\.05 s"):
        rig.supervisor.wait_ready("mute", within=0.05)


def test_a_death_during_the_run_is_noticed_and_told_with_the_log(rig: Rig) -> None:
    rig.start("nf", READY + 'print("out of memory", file=sys.stderr, flush=True)\n' + STAY)
    rig.supervisor.wait_ready("nf")
    rig.supervisor.check()
    eventually(lambda: "out of memory" in (rig.run_dir / "logs/nf.log").read_text())
    os.kill(rig.supervisor.pid("nf"), signal.SIGKILL)
    eventually(lambda: died(rig))
    with pytest.raises(RunInvalidError, match="nf ended with signal SIGKILL during the run") as caught:
        rig.supervisor.check()
    assert caught.value.log_tail == ("out of memory",)


def test_the_last_events_of_a_process_are_not_lost(rig: Rig) -> None:
    rig.start("burst", READY + 'for n in range(5000): print(json.dumps({"event": "n", "t": 0.0, "n": n}))\n')
    eventually(lambda: died(rig))
    assert [event["n"] for _, event in rig.events[1:]] == list(range(5000))


def test_a_last_line_without_its_end_is_not_lost(rig: Rig) -> None:
    rig.start("nf", READY + 'sys.stdout.write(json.dumps({"event": "bye"}))\n')
    eventually(lambda: died(rig))
    assert rig.events[-1] == ("nf", {"event": "bye"})


def test_an_event_that_cannot_be_handled_makes_the_run_invalid_and_not_blind(rig: Rig, tmp_path: Path) -> None:
    def refuse(_process: str, event: dict[str, Any]) -> None:
        if event["event"] == "odd":
            raise ValueError("no room for it")

    picky = Supervisor(rig.ledger.names, rig.ledger, tmp_path / "picky", refuse)
    program = 'import json\nprint(json.dumps({"event": "odd"}))\n' + READY + STAY
    picky.start(Command("nf", None, (sys.executable, "-c", program)))
    picky.wait_ready("nf")
    with pytest.raises(RunInvalidError, match="no room for it"):
        picky.check()
    picky.close()


def test_lines_that_are_no_events_go_to_the_log(rig: Rig) -> None:
    rig.start("nf", READY + 'print("hello"); print(json.dumps(["event"])); print("{}", flush=True)\n' + STAY)
    rig.supervisor.wait_ready("nf")
    eventually(lambda: (rig.run_dir / "logs/nf.log").read_text() == 'hello\n["event"]\n{}\n')
    assert [event["event"] for _, event in rig.events] == ["ready"]


def test_stop_asks_with_each_processs_own_signal_and_kills_what_does_not_end(rig: Rig, tmp_path: Path) -> None:
    note = f'open({str(tmp_path)!r} + "/" + sys.argv[0].replace("-c", "") + str(number), "w")'
    polite = f"def end(number, _):\n    {note}\n    sys.exit(0)\nsignal.signal(signal.{{}}, end)\n"
    rig.start("term", "import signal, sys\n" + polite.format("SIGTERM") + READY + STAY)
    rig.start("int", "import signal, sys\n" + polite.format("SIGINT") + READY + STAY, stop_signal=signal.SIGINT)
    rig.start("deaf", "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + STAY)
    for name in ("term", "int", "deaf"):
        rig.supervisor.wait_ready(name)
    processes = read_lab(rig.ledger.directory).processes
    assert len(processes) == 3
    rig.supervisor.stop(within=1.0)
    assert not any(proc.alive(process) for process in processes)
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        str(int(signal.SIGTERM)),
        str(int(signal.SIGINT)),
    }
    rig.supervisor.check()


def test_readiness_may_be_something_else_than_an_event(rig: Rig, tmp_path: Path) -> None:
    there = tmp_path / "there"
    rig.start(
        "daemon",
        f"import time; open({str(there)!r}, 'w'); print({json.dumps(READY)!r}); time.sleep(60)",
        is_ready=there.exists,
    )
    rig.supervisor.wait_ready("daemon")
    assert there.exists()
    assert rig.events == []


def test_a_program_that_is_not_installed_is_a_missing_capability(rig: Rig) -> None:
    with pytest.raises(HostError, match="no-such-program: tool needs it"):
        rig.supervisor.start(Command("tool", None, ("no-such-program",)))
