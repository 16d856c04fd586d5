"""`python -m core_stub.gnb --config gnb.yaml`: the gNB as a process, in the network namespace that it is started in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp

from core_stub.config import load_config
from core_stub.gnb.api import management, smf_api
from core_stub.gnb.config import GnbFile
from core_stub.gnb.service import Gnb
from core_stub.gnb.smf import SmfClient
from core_stub.gnb.userplane import GnbUserPlane
from core_stub.http import http_on_socket, http_on_tcp
from core_stub.process import run, stop_event
from testbed.events import emit

_SMF_TIMEOUT = aiohttp.ClientTimeout(total=20)
"""Longer than the SMF takes to give a UPF up: T1 times N1, and again to undo what may have been done."""


async def serve(path: Path, variables: Mapping[str, Any]) -> None:
    """Run the gNB of the file at `path` until SIGTERM."""
    config = load_config(path, GnbFile, variables).gnb
    stop = stop_event()
    gtpu = config.gtpu.server[0].address
    callback = f"http://{config.api.address}:{config.api.port}"
    with closing(GnbUserPlane(gtpu, config.ues)) as user_plane:
        async with aiohttp.ClientSession(timeout=_SMF_TIMEOUT) as http:
            gnb = Gnb(
                ues=[ue.name for ue in config.ues],
                address=gtpu,
                smf=SmfClient(http, f"http://{config.smf.address}:{config.smf.port}"),
                user_plane=user_plane,
                report=emit,
                callback=callback,
            )
            async with (
                http_on_tcp(smf_api(gnb), str(config.api.address), config.api.port),
                http_on_socket(management(gnb, user_plane, http), config.management.socket),
            ):
                emit("ready", name=config.name, gtpu=gtpu, api=callback)
                await stop.wait()


if __name__ == "__main__":
    sys.exit(run("core_stub.gnb", serve))
