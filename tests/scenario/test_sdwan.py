"""The shipped scenarios of the SD-WAN: failover, and the modes of scheduling beside each other."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import bearerlab, events, leftovers
from tests.support.scenario import SCENARIOS

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


def run(scenario: Path, out: Path) -> dict[str, Any]:
    """Run a scenario, whose expectations hold; its result."""
    done = bearerlab("run", scenario, "--out", out, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert leftovers(events(out, "lab")[0]["id"]) == []
    result: dict[str, Any] = json.loads((out / "result.json").read_text())
    assert result["expectations"]
    assert all(each["passed"] for each in result["expectations"])
    return result


def test_blackouts_and_brownouts_move_applications_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(SCENARIOS / "sdwan-failover.yml", out)
    assert {event["tunnel"] for event in events(out, "tunnel_down")} == {
        "cpe-edge>cpe-cloud:private",
        "cpe-cloud>cpe-edge:private",
    }
    slow = {event["tunnel"] for event in events(out, "sla_broken") if event["bound"] == "delay_ms"}
    assert slow <= {"cpe-edge>cpe-cloud:internet", "cpe-cloud>cpe-edge:internet"}
    assert slow
    assert {event["changes"] for event in events(out, "edge_programmed")} != {0}
    assert events(out, "flow_error") == []
    moved = {event["demand"].partition(":")[0] for event in events(out, "demand_moved")}
    assert "shopping" not in moved, "it has no other transport that it may take"
    assert {"machines", "cameras"} <= moved


def test_applications_are_recognised_by_name_and_outlive_the_controller(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(SCENARIOS / "named-applications.yml", out)
    found = {(each["application"], each["name"], each["address"]) for each in events(out, "recognised")}
    assert found == {
        ("intranet", "portal.example", "203.0.113.10"),
        ("streaming", "www.video.example", "2001:db8::20"),
    }
    assert [each["changes"] for each in events(out, "edge_programmed")[2:]] == [0, 0]


def test_a_branch_behind_a_nat_ends_on_lte_and_comes_back(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(SCENARIOS / "branch-office.yml", out)
    taken = [each["to"] for each in events(out, "demand_moved") if each["demand"] == "tills:cpe-branch>cpe-centre"]
    assert [names[0].rpartition(":")[2] for names in taken] == ["private", "lte", "internet"]
    (encryption,) = events(out, "encryption")
    assert encryption["by"].startswith("wireguard")


@pytest.fixture(scope="module")
def three_sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of three sites and two tenants with one address, whose controller is killed, and whose link dies."""
    out = tmp_path_factory.mktemp("overlay") / "run"
    run(Path(__file__).parent / "overlay" / "overlay.yml", out)
    return out


def test_a_controller_that_starts_again_touches_no_flow_that_is_right(three_sites: Path) -> None:
    (killed,) = events(three_sites, "killed")
    programmed = [(each["t"] > killed["t"], each["changes"]) for each in events(three_sites, "edge_programmed")]
    assert [changes > 0 for again, changes in programmed if not again] == [True] * 3
    assert [changes for again, changes in programmed if again] == [0] * 3
    assert events(three_sites, "flow_error") == []


def inside_vxlan(capture: Path, until: float) -> set[tuple[str, ...]]:
    """VNI, and of outer and inner IPv4 and of IPv6 DSCP and protocol, of what tenants sent until then, in `capture`."""
    fields = ("vxlan.vni", "ip.dsfield.dscp", "ipv6.tclass.dscp", "ip.proto", "ipv6.nxt")
    wanted = f"vxlan and vxlan.vni != 0xffffff and !arp and frame.time_epoch < {until:.6f}"
    argv = ["tshark", "-r", str(capture), "-Y", wanted, "-T", "fields", *(w for f in fields for w in ("-e", f))]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    return {tuple(line.split("\t")) for line in lines}


def test_packets_go_in_their_tenants_network_over_the_transport_of_their_class(three_sites: Path) -> None:
    """The DSCP of the class outside and inside, of IPv4 and IPv6; UDP (17) outside, inside what the application is."""
    calm = next(each for each in events(three_sites, "window") if each["name"] == "calm")
    seen = {
        transport: inside_vxlan(three_sites / "captures" / f"cpe-a-{router}.pcapng", calm["end"])
        for transport, router in (("private", "core"), ("internet", "internet"))
    }
    twice = {("200", "0,40", "", "17,17", ""), ("200", "0", "40", "17", "17")}
    assert seen["private"] == twice | {("100", "46,46", "", "17,17", ""), ("100", "46", "46", "17", "17")}
    assert seen["internet"] == twice | {("100", "10,10", "", "17,6", "")}


def test_only_joint_scheduling_keeps_both_slas(tmp_path: Path) -> None:
    result = run(SCENARIOS / "joint-scheduling.yml.j2", tmp_path / "run")
    modes = {each["mode"]: each for each in result["modes"]}
    assert list(modes) == ["static", "overlay", "underlay", "joint"]
    suffered = {mode: sum(each["violated_s"].values()) for mode, each in modes.items()}
    assert min(suffered, key=suffered.__getitem__) == "joint"
    assert modes["static"]["moves"] == 0
    assert modes["joint"]["moves"] > 0
