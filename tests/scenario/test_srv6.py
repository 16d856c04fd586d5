"""The shipped scenarios of SRv6, and what packets look like on the way."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.command import BEARERLAB, bearerlab, events, leftovers
from tests.support.polling import eventually
from tests.support.scenario import LOCAL_BREAKOUT, SCENARIOS

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


def run(scenario: Path, out: Path, *settings: str) -> Path:
    """Run a scenario, whose expectations hold; its run directory."""
    arguments = [word for setting in settings for word in ("--set", setting)]
    done = bearerlab("run", scenario, "--out", out, *arguments, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert leftovers(events(out, "lab")[0]["id"]) == []
    return out


def fields(capture: Path, display_filter: str, *names: str) -> set[tuple[str, ...]]:
    """The different values of these fields in packets that the filter takes."""
    wanted = [word for name in names for word in ("-e", name)]
    argv = ["tshark", "-r", str(capture), "-Y", display_filter, "-T", "fields", *wanted]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    return {tuple(line.split("\t")) for line in lines}


def test_intents_by_color(tmp_path: Path) -> None:
    out = run(SCENARIOS / "srv6-te.yml", tmp_path / "run")
    assert events(out, "link_delay"), "the slow fibre was measured"
    assert [event["process"] for event in events(out, "killed")] == ["controller"]
    assert events(out, "route_refused") == []


@pytest.mark.parametrize("repair", ["link", "node", "none"])
def test_a_fibre_is_cut_under_load(tmp_path: Path, repair: str) -> None:
    out = run(SCENARIOS / "srv6-frr.yml.j2", tmp_path / "run", f"repair={repair}")
    down = {(event["router"], event["peer"]) for event in events(out, "adjacency_down")}
    assert down == {("lhasa", "chengdu"), ("chengdu", "lhasa")}
    assert len(events(out, "converged")) == 2


def test_two_tenants_have_the_same_addresses(tmp_path: Path) -> None:
    run(SCENARIOS / "srv6-vpn.yml", tmp_path / "run")


CARRIED = "ip.dst == 203.0.113.10", "ipv6.dst", "ipv6.routing.segleft", "ipv6.routing.srh.addr"


def captures(out: Path) -> Iterator[set[tuple[str, ...]]]:
    """What carries the probes, at the links of Shanghai, Chongqing and Guiyang."""
    for name in ("shanghai-guangzhou", "chongqing-guangzhou", "guiyang-chengdu"):
        yield fields(out / "captures" / f"{name}.pcapng", *CARRIED)


def test_a_long_way_is_one_destination_address(tmp_path: Path) -> None:
    out = run(SCENARIOS / "srv6-usid.yml", tmp_path / "run")
    assert list(captures(out)) == [
        {("fcbb:bb00:19:e003:f:d:f001:0", "", "")},
        {("fcbb:bb00:f:d:f001::", "", "")},
        {("fcbb:bb00:d:f001::", "", "")},
    ]


def test_or_a_segment_routing_header(tmp_path: Path) -> None:
    out = run(SCENARIOS / "srv6-usid.yml", tmp_path / "run", "srv6.compressed=false")
    # Reduced: the first segment is in the destination address only.
    srh = "fcbb:bb00:d:f001::,fcbb:bb00:f::"
    assert list(captures(out)) == [
        {("fcbb:bb00:19:e003::", "2", srh)},
        {("fcbb:bb00:f::", "1", srh)},
        {("fcbb:bb00:d:f001::", "0", srh)},
    ]


def test_the_5g_core_rides_on_it(tmp_path: Path) -> None:
    data = yaml.safe_load(LOCAL_BREAKOUT.read_text())
    mobile = {name: {"tenant": "ran", "color": color} for name, color in (("n3", 100), ("n9", 200), ("n4", 300))}
    by_chengdu = {
        "headend": "agg1",
        "color": 200,
        "endpoint": "pe2",
        "explicit": [{"segments": ["pe1>chengdu", "pe2"]}],
    }
    shortest = {"headend": "csr1", "color": 100, "endpoint": "pe2", "dynamic": {"metric": "delay"}}
    data["srv6"] = {"fast_reroute": "link", "mobile": mobile, "policies": [shortest, by_chengdu]}
    file = tmp_path / "over-srv6.yml"
    file.write_text(yaml.safe_dump(data))
    out = run(file, tmp_path / "run")
    measured = json.loads((out / "result.json").read_text())["measurements"]
    n3, n9 = (measured[f"{window}.ue1-archive"]["owd_ms"]["up"]["p50"] for window in ("before", "edge"))
    assert n9 - n3 > 0.8, "N9 goes by Chengdu, 205 km further than N3"


def test_the_verbs_of_a_running_lab(tmp_path: Path) -> None:
    up = [BEARERLAB, "up", str(SCENARIOS / "srv6-usid.yml"), "--out", str(tmp_path / "up")]
    with subprocess.Popen(up, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        (lab,) = eventually(lambda: events(tmp_path / "up", "lab"), bool)
        mine = ("--lab", lab["id"])

        def srv6(*words: str) -> subprocess.CompletedProcess[str]:
            return bearerlab("srv6", *words, *mine)

        shown = eventually(lambda: srv6("show", "--json"), lambda done: done.returncode == 0)
        (policy,) = json.loads(shown.stdout)["policies"]
        assert policy["active"]["lists"][0]["segments"] == ["guangzhou>chongqing", "chengdu", "guiyang"]
        assert "fcbb:bb00:d::/48" in srv6("show").stdout
        traced = eventually(lambda: srv6("trace", "edge", "203.0.113.10", "--json"), lambda done: bool(done.stdout))
        assert traced.returncode == 0, traced.stdout + traced.stderr
        way = ["edge", "shanghai", "guangzhou", "chongqing", "chengdu", "guiyang", "cloud"]
        assert [hop["node"] for hop in json.loads(traced.stdout)["hops"]] == way
        assert "End.X" in srv6("path", "shanghai", "guiyang", "--color", "100").stdout
        assert "End.DX4" in srv6("counters", "guiyang").stdout
        assert srv6("policy", "add", "shanghai/100/guiyang", "metric=delay").returncode == 0
        traced = srv6("trace", "edge", "203.0.113.10", "--json")
        assert [hop["node"] for hop in json.loads(traced.stdout)["hops"]] == [*way[:3], *way[5:]]
        refused = srv6("policy", "add", "shanghai/9/guiyang", "metric=delay", "bound=1ms", "--strict")
        assert refused.returncode == 2
        assert "a delay of at most 1 ms (the least is" in refused.stderr
        assert srv6("policy", "remove", "shanghai/100/guiyang").returncode == 0
        process.communicate(b"exit\n", timeout=60)
    assert leftovers(lab["id"]) == []
