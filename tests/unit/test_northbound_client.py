"""What probes have found, on its way to a controller that is slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.northbound import northbound
from tests.support.polling import eventually
from traffic import northbound as client
from traffic.northbound import Interface, Northbound

INTERFACE: Interface[bytes] = Interface("/v1/measurement/subjects", "/v1/measurement/windows", bytes)


def test_of_too_many_reports_the_oldest_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "northbound.sock"
    reporting = Northbound(path, INTERFACE)
    for number in range(client._MOST_REPORTS + 5):
        reporting.report(b'{"windows": [{"id": "%d"}]}' % number)
    with northbound(path, {}) as server:
        reporting.start()
        eventually(lambda: len(server.windows), lambda there: there == client._MOST_REPORTS)
        assert [server.windows[end]["id"] for end in (0, -1)] == ["5", str(client._MOST_REPORTS + 4)]


def test_each_thing_that_goes_wrong_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reporting = Northbound(tmp_path / "nobody.sock", INTERFACE)
    for _ in range(2):
        assert reporting._attempt("GET", "/wanted") == b""
        assert reporting._attempt("POST", "/reports", b"{}") == b""
    told = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in told] == ["GET /wanted", "POST /reports"]
