from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from testbed import netns
from testbed.errors import RunInvalidError
from testbed.lab import proc
from testbed.lab.clean import clean
from testbed.lab.ledger import LabRecord, read_lab
from testbed.plan.model import Route
from tests.support.lab_plans import five_nodes
from topologies.network import lab

pytestmark = pytest.mark.netns


class Run:
    """A lab that another process runs."""

    def __init__(self, root: Path, run_dir: Path) -> None:
        argv = [sys.executable, "-m", "tests.support.lab_runner", str(root), str(run_dir), "wait"]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.run_id = self.process.stdout.readline().strip()
        self.record = read_lab(root / self.run_id)

    def end(self, number: signal.Signals) -> str:
        self.process.send_signal(number)
        return self.process.communicate(timeout=30)[0]


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[tuple[Run, Run]]:
    both = Run(tmp_path / "labs", tmp_path / "a"), Run(tmp_path / "labs", tmp_path / "b")
    yield both
    for run in both:
        run.process.kill()
        run.process.communicate()
    clean(root=tmp_path / "labs")


def namespaces_of(lab: LabRecord) -> list[str]:
    return [name for name in lab.namespaces if netns.exists(name)]


def living(lab: LabRecord) -> list[int]:
    return [process.pid for process in proc.living_in(lab.namespaces)]


def reaches(run: Run) -> bool:
    ping = ["ip", "netns", "exec", f"bl-{run.run_id}-h1", "ping", "-c1", "-W2", "10.2.0.2"]
    return subprocess.run(ping, capture_output=True, check=False).returncode == 0


def test_two_labs_of_the_same_plan_run_side_by_side(runs: tuple[Run, Run]) -> None:
    first, second = runs
    assert first.run_id != second.run_id
    assert all(len(namespaces_of(run.record)) == 6 and reaches(run) for run in runs)
    first.end(signal.SIGTERM)
    assert reaches(second)


def test_sigterm_takes_everything_down(runs: tuple[Run, Run], tmp_path: Path) -> None:
    run, _ = runs
    assert living(run.record)
    assert run.end(signal.SIGTERM) == "taken down\n"
    assert run.process.returncode == 0
    assert namespaces_of(run.record) == []
    assert not any(proc.alive(process) for process in run.record.processes)
    assert not run.record.directory.exists()


def test_clean_removes_exactly_the_lab_of_a_killed_run(runs: tuple[Run, Run], tmp_path: Path) -> None:
    killed, other = runs
    killed.end(signal.SIGKILL)
    assert len(namespaces_of(killed.record)) == 6
    sleeper = next(process for process in killed.record.processes if proc.alive(process))
    (removed,) = clean(root=tmp_path / "labs")
    assert removed.run_id == killed.run_id
    assert sleeper in removed.processes
    assert set(removed.namespaces) == set(killed.record.namespaces)
    assert not proc.alive(sleeper)
    assert namespaces_of(killed.record) == []
    assert len(namespaces_of(other.record)) == 6
    assert reaches(other)
    assert clean(root=tmp_path / "labs") == ()


def test_a_failing_body_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        lab(five_nodes(), run_dir=tmp_path, on_event=lambda *_: None, root=tmp_path / "labs") as running,
    ):
        record = read_lab(running.ledger.directory)
        raise ZeroDivisionError
    assert namespaces_of(record) == []
    assert list((tmp_path / "labs").iterdir()) == []


@pytest.mark.parametrize(
    ("route", "message"),
    [
        (
            Route("10.9.0.0/24", "r1", "10.8.0.1"),
            r"h1 failed at: ip route add 10\.9\.0\.0/24 via 10\.8\.0\.1",
        ),
        (Route("10.9.0.0/99", "r1"), r"h1 failed\n.*10\.9\.0\.0/99"),
    ],
)
def test_a_plan_that_cannot_be_built_says_what_failed_and_leaves_nothing(
    tmp_path: Path, route: Route, message: str
) -> None:
    plan = five_nodes()
    broken = replace(plan, nodes=(replace(plan.node("h1"), routes=(route,)), *plan.nodes[1:]))
    with (
        pytest.raises(RunInvalidError, match=message),
        lab(broken, run_dir=tmp_path, on_event=lambda *_: None, root=tmp_path / "labs"),
    ):
        pass
    assert list((tmp_path / "labs").iterdir()) == []


def test_the_hosts_own_namespace_is_not_touched(tmp_path: Path) -> None:
    before = Path("/proc/thread-self/net/dev").read_text().count("\n")
    with lab(five_nodes(), run_dir=tmp_path, on_event=lambda *_: None, root=tmp_path / "labs"):
        inside = Path("/proc/thread-self/net/dev").read_text()
    assert [line.split(":")[0].strip() for line in inside.splitlines()[2:]] == ["lo"]
    assert Path("/proc/thread-self/net/dev").read_text().count("\n") == before
