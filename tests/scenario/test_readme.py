"""The commands of README's tour, as they stand there, one after the other."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.command import BEARERLAB, ROOT
from tests.support.polling import eventually

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

_BLOCKS = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
TOUR = [
    line.partition("#")[0].rstrip()
    for block in _BLOCKS.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    for line in block.splitlines()
    if line.startswith("bearerlab ")
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands run: they write beside the files that they read."""
    directory = tmp_path_factory.mktemp("readme")
    for name in ("scenarios", "topologies"):
        (directory / name).symlink_to(ROOT / name)
    return directory


@pytest.fixture(scope="module")
def environment(checkout: Path) -> dict[str, str]:
    """`clean` and `impair` must not find the labs of others."""
    return os.environ | {"BEARERLAB_STATE": str(checkout / "state")}


def command(line: str, checkout: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line.replace("bearerlab", BEARERLAB, 1),
        shell=True,
        cwd=checkout,
        env=environment,
        # `up` opens Mininet's CLI, which is left again at once.
        input="exit\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def test_the_tour_has_every_verb() -> None:
    verbs = {line.split()[1] for line in TOUR}
    assert verbs == {
        "doctor",
        "check",
        "plan",
        "graph",
        "run",
        "report",
        "up",
        "impair",
        "inspect",
        "clean",
        "bench",
        "core",
        "sdwan",
    }


OF_A_LAB = {"scenarios/local-breakout.yml": ("impair", "core"), "scenarios/sdwan-failover.yml": ("sdwan",)}
"""Scenario → verbs that need a running lab of it."""
NEED_A_LAB = tuple(verb for verbs in OF_A_LAB.values() for verb in verbs)


RUN_ELSEWHERE = {
    "bearerlab run scenarios/srv6-usid.yml": "test_srv6.py",
    "bearerlab run scenarios/sdwan-failover.yml": "test_sdwan.py",
}
"""Line → the tests that run the same scenario by the same verb."""


def test_what_is_run_elsewhere_is_run_there() -> None:
    for line, module in RUN_ELSEWHERE.items():
        assert line in TOUR
        assert Path(line).name in Path(__file__).with_name(module).read_text(encoding="utf-8")


# Benchmarks take minutes and have short tests of their own (tests/bench).
@pytest.mark.parametrize(
    "line", [line for line in TOUR if line.split()[1] not in ("bench", *NEED_A_LAB) and line not in RUN_ELSEWHERE]
)
def test_command(checkout: Path, environment: dict[str, str], line: str) -> None:
    done = command(line, checkout, environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("scenario", OF_A_LAB)
def test_commands_of_a_running_lab(checkout: Path, environment: dict[str, str], scenario: str) -> None:
    lines = [line for line in TOUR if line.split()[1] in OF_A_LAB[scenario]]
    up = [BEARERLAB, "up", scenario, "--out", str(checkout / f"up-{Path(scenario).stem}")]
    with subprocess.Popen(up, cwd=checkout, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as lab:
        eventually(
            lambda: command("bearerlab impair show", checkout, environment), lambda done: done.returncode == 0, 60
        )
        done = {line: command(line, checkout, environment) for line in lines}
        lab.communicate(b"exit\n", timeout=60)
    for line, each in done.items():
        assert each.returncode == 0, line + each.stdout + each.stderr
    assert lab.returncode == 0
    said = "".join(each.stdout for each in done.values())
    wanted = {"core": ("upf-cloud", "Heartbeat Request"), "sdwan": ("cpe-edge>cpe-cloud:private",)}
    assert all(text in said for verb in OF_A_LAB[scenario] for text in wanted.get(verb, ()))
