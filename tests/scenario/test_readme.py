"""The commands of README's tour, as they stand there, one after the other."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.command import BEARERLAB, ROOT

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


def test_the_tour_has_every_verb() -> None:
    verbs = {line.split()[1] for line in TOUR}
    assert verbs == {"doctor", "check", "plan", "graph", "run", "report", "up", "inspect", "clean", "bench"}


@pytest.mark.parametrize("line", TOUR)
def test_command(checkout: Path, line: str) -> None:
    command = line.replace("bearerlab", BEARERLAB, 1)
    # `clean` must not find the crashed labs of others.
    environment = os.environ | {"BEARERLAB_STATE": str(checkout / "state")}
    # `up` opens Mininet's CLI, which is left again at once.
    done = subprocess.run(
        command,
        shell=True,
        cwd=checkout,
        env=environment,
        input="exit\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
