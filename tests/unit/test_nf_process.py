"""How a network function's process ends when this host does not let it run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from core_stub.http import http_on_socket
from core_stub.process import run


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (PermissionError(1, "Operation not permitted", "GTP-U at 192.0.2.7"), 3, "; run it as root\n"),
        (
            OSError(98, "Address already in use", "GTP-U at 192.0.2.7"),
            1,
            "Address already in use: 'GTP-U at 192.0.2.7'\n",
        ),
    ],
    ids=["no root", "in use"],
)
def test_what_the_host_refuses_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OSError, code: int, told: str
) -> None:
    async def serve(_path: Path, _variables: Mapping[str, Any]) -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["upf", "--config", "upf.yaml"])
    assert run("upf", serve) == code
    (line,) = capsys.readouterr().err.splitlines(keepends=True)
    assert line.startswith("upf: ")
    assert line.endswith(told)


def test_a_socket_that_cannot_be_is_named(tmp_path: Path) -> None:
    async def serve() -> None:
        async with http_on_socket(web.Application(), tmp_path / "run" / "upf.sock"):
            pass

    with pytest.raises(FileNotFoundError, match=r"'management socket .*/run/upf\.sock'"):
        asyncio.run(serve())
