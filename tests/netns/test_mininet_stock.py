from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from testbed import netns
from testbed.lab.ledger import labs

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(shutil.which("mn") is None, reason="Mininet's own command `mn` is not installed"),
]

CUSTOM = Path(__file__).parents[1] / "support/mn_five.py"
SCRATCH = "blt-lab-mn"


def mn(*arguments: str, script: str = "") -> str:
    """What `mn` prints, run where it cannot touch the host's own network."""
    netns.create(SCRATCH)
    try:
        with netns.entered(SCRATCH):
            argv = ["mn", "--custom", str(CUSTOM), *arguments]
            # Mininet's CLI prints to standard output, its log to standard error.
            done = subprocess.run(
                argv, input=script, text=True, timeout=120, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            interfaces = Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]
        assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]
        return done.stdout
    finally:
        netns.delete(SCRATCH)


def test_pingall_of_stock_mininet_drops_nothing() -> None:
    assert "0% dropped (12/12 received)" in mn("--topo", "five", "--test", "pingall")


def test_a_delay_is_real_and_what_makes_it_is_gone_afterwards(tmp_path: Path) -> None:
    before = {lab.run_id for lab in labs()}
    script = tmp_path / "script"
    script.write_text("h1 ping -c2 -i0.2 h2\n")
    output = mn("--topo", "slow", script=f"source {script}\n")
    rtt = re.search(r"rtt min/avg/max/mdev = ([0-9.]+)/", output)
    assert rtt, output
    assert float(rtt[1]) >= 20.0
    assert not [lab for lab in labs() if lab.run_id not in before and not lab.owner_lives]


def test_a_failing_mn_does_not_clean_the_machine() -> None:
    output = mn("--topo", "five", "--test", "no_such_test")
    assert "Test no_such_test is unknown" in output
    assert "Removing" not in output
