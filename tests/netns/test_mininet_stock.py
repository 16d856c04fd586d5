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

ROOT = Path(__file__).parents[2]
FIVE = ROOT / "tests/support/mn_five.py"
METRO = ROOT / "topologies/metro.py"
SCRATCH = "blt-lab-mn"


def mn(*arguments: str, custom: Path = FIVE, script: str = "") -> str:
    """What `mn` prints, run where it cannot touch the host's own network."""
    netns.create(SCRATCH)
    try:
        with netns.entered(SCRATCH):
            argv = ["mn", "--custom", str(custom), *arguments]
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


def test_a_failing_mn_leaves_nothing_and_does_not_clean_the_machine() -> None:
    before = {lab.run_id for lab in labs()}
    output = mn("--topo", "slow", "--test", "no_such_test")
    assert "Test no_such_test is unknown" in output
    assert "Removing" not in output
    assert not [lab for lab in labs() if lab.run_id not in before and not lab.owner_lives]


def test_metro_works_with_stock_mininet() -> None:
    output = mn("--topo", "metro", "--test", "pingall", custom=METRO)
    assert re.search(r" 0% dropped \(([0-9]+)/\1 received\)", output), output


def test_a_wrong_parameter_of_metro_is_explained() -> None:
    want = "topology.params.ues: got 0; want a value greater than or equal to 1"
    assert want in mn("--topo", "metro,ues=0", custom=METRO)
