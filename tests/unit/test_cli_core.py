"""The tables of `bearerlab core show`, from what network functions answer."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rich.console import Console
from rich.table import Table

from testbed.cli import core
from testbed.cli.core_tables import TABLES
from testbed.graph import Role
from traffic.tap import Tapped

N3 = {"teid": 0x77FF, "ipv4": "10.1.0.17"}


def text(table: Table, *, width: int = 250) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def pdr(number: int, **more: object) -> dict[str, object]:
    return {
        "id": number,
        "precedence": 255,
        "source_interface": "CORE",
        "f_teid": None,
        "ue_ipv4": "10.45.0.2",
        "filters": [None],
        "application": None,
        "predefined_rules": [],
        "urrs": [7],
        "far": {"id": 1, "action": "BUFF|NOCP"},
        "packets": 12,
        "bytes": 864,
    } | more


def test_a_upf_shows_rules_with_counters_and_what_it_buffers() -> None:
    session = {
        "seid": 0xABC,
        "pdrs": [pdr(1), pdr(2, application="video", far=None, f_teid=N3)],
        "fars": [{"id": 1, "action": "BUFF|NOCP", "buffered": {"packets": 3, "bytes": 300}}],
    }
    shown = text(TABLES[Role.UPF]("upf-edge", {"sessions": [session], "faults": {"no PDR": 4}}))
    assert "upf-edge" in shown and "4 × no PDR" in shown and shown.count("0xabc") == 1
    (first,) = [line for line in shown.splitlines() if "holds 3" in line]
    assert "BUFF|NOCP" in first and "10.45.0.2" in first and "12" in first and "864" in first
    (second,) = [line for line in shown.splitlines() if "video" in line]
    assert "0x77ff at 10.1.0.17" in second


def test_a_narrow_terminal_cuts_nothing() -> None:
    session = {"seid": 0xABCDEF01, "pdrs": [pdr(1, f_teid=N3)], "fars": []}
    assert "…" not in text(TABLES[Role.UPF]("upf-edge", {"sessions": [session], "faults": {}}), width=80)


def test_ctrl_c_ends_a_trace_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def tap(_namespace: str, _port: int) -> Iterator[Iterator[Tapped]]:
        yield interrupted()

    def interrupted() -> Iterator[Tapped]:
        raise KeyboardInterrupt
        yield

    nodes = [{"name": "smf", "role": Role.SMF, "namespace": "bl-x-smf", "addresses": ["10.1.0.2"]}]
    monkeypatch.setattr(core, "running_lab", lambda *_, **__: None)
    monkeypatch.setattr(core, "_nodes", lambda _: nodes)
    monkeypatch.setattr(core, "udp_tap", tap)
    core.trace()


def test_an_smf_shows_where_a_session_goes() -> None:
    session = {
        "smContextRef": "1",
        "supi": "ue1",
        "dnn": "internet",
        "ueIpv4Address": "10.45.0.2",
        "state": "local-breakout",
        "psa": {"upf": "upf-cloud"},
        "gnb": None,
        "ulcl": {"upf": "upf-edge", "sdf": ["permit out ip from 203.0.113.10 to assigned"]},
    }
    shown = text(TABLES[Role.SMF]("smf", [session]))
    assert "upf-edge: permit out ip from 203.0.113.10 to assigned" in shown and "upf-cloud" in shown


def test_a_gnb_shows_idle_ues() -> None:
    active = {"ue": "ue1", "ueIpv4Address": "10.45.0.2", "qfi": 1, "uplink": N3 | {"packets": 5}}
    sessions = [active | {"downlink": N3 | {"packets": 6}}, active | {"ue": "ue2", "downlink": None}]
    shown = text(TABLES[Role.GNB]("gnb1", {"sessions": sessions, "faults": {}}))
    (busy, idle) = [line for line in shown.splitlines() if "10.45.0.2" in line]
    assert "0x77ff at 10.1.0.17" in busy and "6" in busy
    assert "idle" in idle
