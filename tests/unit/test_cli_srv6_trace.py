"""`bearerlab srv6 trace` over sightings that are given: where a packet may arrive, and how its way looks."""

from __future__ import annotations

import json
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from testbed.cli import srv6_trace
from testbed.errors import InputError, RunInvalidError
from testbed.lab.ledger import LabRecord
from traffic.srheader import Headers, IpHeader, SrHeader
from traffic.trail import Sighting

PLAIN = IpHeader(ip_address("10.1.0.2"), ip_address("9.9.9.9"), 17)
LIST = (IPv6Address("fcbb:bb00:3:f000::"), IPv6Address("fcbb:bb00:2::"))
ROLES = {"h1": "host", "r1": "router", "r2": "router", "ue1": "ue"}


def seen(at: int, node: str, ifname: str, *around: IpHeader, out: bool) -> Sighting:
    return Sighting(at, node, ifname, out, Headers((*around, PLAIN), b""))


def trace(
    monkeypatch: pytest.MonkeyPatch, *sightings: Sighting, json_too: bool = False, to: str = "9.9.9.9"
) -> tuple[int, str]:
    def no_controller(*_: object, **__: object) -> Any:
        raise RunInvalidError("none")

    nodes = [{"name": name, "role": role, "namespace": name, "addresses": []} for name, role in ROLES.items()]
    monkeypatch.setattr(srv6_trace, "running_lab", lambda *_, **__: LabRecord(Path("/lab"), None))
    monkeypatch.setattr(srv6_trace, "request", lambda *_: {"nodes": nodes})
    monkeypatch.setattr(srv6_trace, "exchange", no_controller)
    monkeypatch.setattr(srv6_trace, "sightings", lambda *_: list(sightings))
    monkeypatch.setenv("COLUMNS", "120")
    app = typer.Typer()
    app.command()(srv6_trace.command)
    result = CliRunner().invoke(app, ["h1", to, *(["--json"] if json_too else [])])
    if isinstance(result.exception, InputError):
        raise result.exception
    return result.exit_code, result.output


WAY = (seen(0, "h1", "r1", out=True), seen(1, "r1", "h1", out=False))


def test_a_packet_for_nobody_is_lost_where_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = trace(monkeypatch, *WAY)
    assert (code, text.splitlines()[-1]) == (1, "lost in r1: no node of the plan has the address 9.9.9.9")
    code, text = trace(monkeypatch, *WAY, json_too=True)
    assert (code, json.loads(text)["arrived"]) == (1, False)


def test_a_ues_address_is_known_to_the_smf_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = trace(monkeypatch, *WAY, seen(9, "ue1", "gnb1", out=False))
    assert (code, "arrived at ue1" in text) == (0, True)


def test_a_node_without_addresses_is_no_destination(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match='DESTINATION: got "ue1"; want a node that has addresses of the plan'):
        trace(monkeypatch, to="ue1")


def test_a_segment_list_is_shown_where_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    one_left, none_left = (IpHeader(ip_address("fd00::1"), LIST[left], 17, SrHeader(left, LIST)) for left in (1, 0))
    way = (
        seen(2, "r1", "r2", one_left, out=True),
        seen(3, "r2", "r1", one_left, out=False),
        seen(4, "r2", "r3", none_left, out=True),
    )
    _, text = trace(monkeypatch, *WAY, *way)
    assert (text.count("1 left"), text.count("0 left"), text.count(str(LIST[1]))) == (1, 1, 2)
