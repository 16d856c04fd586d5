"""`bearerlab srv6` against the API over a core in memory: what is asked for, and how answers look in 80 columns."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from testbed.cli import running, srv6
from testbed.cli.srv6_tables import counter_table, policy_table
from testbed.errors import InputError, RunInvalidError
from testbed.lab.ledger import LabRecord
from tests.support.srv6_api import Api


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api()

    def exchange(socket: Path, method: str, target: str, body: Any = None) -> tuple[int, str]:
        assert socket == Path("/lab/controller.sock")
        status, answer = api(method, target.removeprefix("/v1"), body)
        return status, json.dumps(answer) if answer is not None else ""

    monkeypatch.setattr(srv6, "running_lab", lambda *_, **__: LabRecord(Path("/lab"), None))
    monkeypatch.setattr(running, "exchange", exchange)
    monkeypatch.setenv("COLUMNS", "80")
    return api


def run(*argv: str) -> str:
    result = CliRunner().invoke(srv6.app, argv, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def row(text: str, *cells: str) -> bool:
    return any(all(cell in line for cell in cells) for line in text.splitlines())


def test_show_has_routers_policies_with_reasons_and_tenants(api: Api) -> None:
    run("policy", "add", "r1/5/r3", "metric=delay")
    run("policy", "add", "r1/6/r3", "exclude=[gold]", "bound=1ms")
    text = run("show")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert row(text, "r1", "up", "fcbb:bb00:1::/48", "fd00::1")
    assert row(text, "r1/5/r3", "up", "100 dynamic", "r4>r3", "fcbb:bb00:4:e001::")
    assert row(text, "r1/6/r3", "down")
    assert row(text, "r1/6/r3: its path 100 is not valid: nothing meets")
    assert row(text, "blue", "r1", "h1", "10.1.0.0/24")
    assert set(json.loads(run("show", "--json"))) == {"routers", "links", "policies", "tenants"}


def test_a_policy_of_weighted_lists_is_shown_list_by_list_and_removed(api: Api) -> None:
    text = run("policy", "add", "r1/5/r3", "explicit=[{segments: [r2, r3], weight: 3}, {segments: [r1>r4, r3]}]")
    assert row(text, "r1/5/r3", "75%", "r2", "fcbb:bb00:2::")
    assert row(text, "25%", "r1>r4", "fcbb:bb00:1:e001::")
    assert run("policy", "remove", "r1/5/r3") == ""
    assert api("GET", "/policies") == (200, {"policies": []})


def test_the_path_has_hops_and_how_the_packet_looks(api: Api) -> None:
    run("policy", "add", "r1/5/r3", "metric=delay")
    text = run("path", "r1", "r3", "--color", "5")
    assert "r1→r3 color 5, by policy: r4>r3" in text
    assert row(text, "r4", "r3", "0.2 ms", "fcbb:bb00:4:e001::", "End.X")
    assert "IPv6 fd00::1 → fcbb:bb00:4:e001:3:f000::, no SRH: 40 bytes added" in text
    assert "by igp" in run("path", "r1", "r3")
    assert json.loads(run("path", "r1", "r3", "--json"))["ways"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("path", "r1", "x"), 'srv6: endpoint: got "x"; want a router: r1, r2, r3, r4'),
        (("policy", "remove", "r1/5/r3"), "srv6: there is no policy r1→r3 color 5; there is none"),
        (
            ("policy", "add", "r1/five/r3", "metric=beauty"),
            "srv6: dynamic.metric: got \"beauty\"; want 'igp', 'te', 'delay' or 'hops'\n"
            'srv6: color: got "five"; want a valid integer',
        ),
        (
            ("policy", "add", "--strict", "r1/5/r3", "include_all=[gold]", "bound=100us"),
            "srv6: nothing meets: a delay of at most",
        ),
    ],
)
def test_what_the_controller_refuses_is_wrong_input(api: Api, argv: tuple[str, ...], message: str) -> None:
    with pytest.raises(srv6.RefusedError) as refused:
        run(*argv)
    assert str(refused.value).startswith(message)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("name", ["r1", "r1/5", "r1//r3", "r1/5/r3/r4"])
def test_a_name_that_is_no_policys_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(InputError, match="HEADEND/COLOR/ENDPOINT, such as pe1/100/pe2"):
        srv6.policy_body(name, ["metric=delay"])


def test_a_controller_that_fails_makes_the_run_invalid(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "exchange", lambda *_: (500, '{"detail": "disk full", "problems": []}'))
    with pytest.raises(RunInvalidError, match="controller: disk full"):
        run("show")


def test_counters_are_those_of_sids_that_something_came_for() -> None:
    counted = {"router": "r1", "sid": "fcbb:bb00:1::/48", "behavior": "End", "context": "", "bytes": 0, "errors": 0}
    table = counter_table([counted | {"packets": 7}, counted | {"packets": 0}], every=False)
    assert table.row_count == 1
    assert counter_table([counted | {"packets": 0}], every=True).row_count == 1


def test_names_of_real_places_stay_whole_in_80_columns() -> None:
    segments = {"segments": ["shanghai>chengdu", "guiyang"], "sids": ["fcbb:bb00:14:e002::", "fcbb:bb00:1b::"]}
    path = {"preference": 200, "origin": "explicit", "lists": [segments | {"share": 0.75}]}
    name = {"headend": "shanghai", "color": 100, "endpoint": "guiyang"}
    console = Console(file=io.StringIO(), width=80)
    console.print(policy_table([name | {"state": "up", "active": path, "standby": path, "invalid": []}]))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert row(text, "shanghai/100/guiyang", "up", "75%", "shanghai>chengdu", "fcbb:bb00:14:e002::")
    assert all(len(line) <= 80 for line in text.splitlines())
