from __future__ import annotations

import subprocess
import sys
from subprocess import PIPE, STDOUT

import pytest

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Command → what the CLI of a five-node lab printed for it."""
    commands = [
        "nodes",
        "net",
        "dump",
        "links",
        "h1 ping -c1 -W2 h2",
        "h1 ping -c1 -W2 fd00:2::2",
        "pingall",
        "link h1 r1 down",
        "h1 ping -c1 -W1 h2",
        "link h1 r1 up",
        "h1 ping -c2 -W2 h2",
        "h1 ping -c2 -W2 fd00:2::2",
        "iperf h1 h2",
        "py r1.popen('ip -br addr show h1').communicate()[0].decode()",
    ]
    # Mininet prints by its log, to standard error. Its CLI forwards what it can read to a running command, as to a
    # terminal, so a script is sourced.
    directory = tmp_path_factory.mktemp("cli")
    script = directory / "script"
    script.write_text("".join(f"py '====='\n{command}\n" for command in commands))
    argv = [sys.executable, "-m", "tests.support.lab_runner", str(directory / "labs"), str(directory / "run"), "cli"]
    done = subprocess.run(
        argv, input=f"source {script}\n", stdout=PIPE, stderr=STDOUT, text=True, timeout=120, check=True
    )
    assert list((directory / "labs").iterdir()) == []
    return dict(zip(commands, done.stdout.split("=====")[1:], strict=True))


def test_nodes_net_dump_and_links_show_the_plan(answers: dict[str, str]) -> None:
    assert "h1 h2 lan1 r1 r2" in answers["nodes"]
    assert "r1 h1:r1 r2:r1" in answers["net"]
    assert "<Router r1: h1:10.1.0.1,r2:10.0.0.0 pid=" in answers["dump"]
    assert answers["links"].count("(OK OK)") == 4


def test_a_node_pings_another_by_name_and_by_ipv6_address(answers: dict[str, str]) -> None:
    assert "PING 10.2.0.2" in answers["h1 ping -c1 -W2 h2"]
    assert " 0% packet loss" in answers["h1 ping -c1 -W2 h2"]
    assert " 0% packet loss" in answers["h1 ping -c1 -W2 fd00:2::2"]


def test_pingall_reaches_every_node_that_has_an_address(answers: dict[str, str]) -> None:
    assert "0% dropped (12/12 received)" in answers["pingall"]


def test_a_link_taken_down_carries_nothing(answers: dict[str, str]) -> None:
    assert " 0% packet loss" not in answers["h1 ping -c1 -W1 h2"]


def test_a_link_brought_up_again_carries_what_it_carried(answers: dict[str, str]) -> None:
    assert " 0% packet loss" in answers["h1 ping -c2 -W2 h2"]
    assert " 0% packet loss" in answers["h1 ping -c2 -W2 fd00:2::2"]


def test_iperf_measures_without_ending_those_of_others(answers: dict[str, str]) -> None:
    assert answers["iperf h1 h2"].count("Mbits/sec") == 2


def test_popen_runs_in_the_nodes_namespace(answers: dict[str, str]) -> None:
    assert "10.1.0.1/24" in answers["py r1.popen('ip -br addr show h1').communicate()[0].decode()"]
