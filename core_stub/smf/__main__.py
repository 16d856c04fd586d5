"""`python -m core_stub.smf --config smf.yaml`: the SMF as a process, in the network namespace that it is started in."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp

from core_stub.http import http_on_socket, http_on_tcp
from core_stub.process import run, stop_event
from core_stub.smf import api
from core_stub.smf.config import load
from core_stub.smf.n4 import PfcpN4
from core_stub.smf.ran import HttpRan
from core_stub.smf.service import Smf
from core_stub.smf.store import Store
from testbed.events import emit


async def serve(path: Path, variables: Mapping[str, Any]) -> None:
    """Run the SMF of the file at `path` until SIGTERM."""
    config = load(path, variables)
    stop = stop_event()
    sbi = config.sbi.server[0]
    async with AsyncExitStack() as stack:
        store = stack.enter_context(Store(config.db)) if config.db else None
        http = await stack.enter_async_context(aiohttp.ClientSession())
        n4 = PfcpN4(config.pfcp, emit)
        smf = Smf(config, n4, HttpRan(http), emit, now=time.time, store=store)
        smf.listen(n4)
        stack.push_async_callback(smf.close)
        await stack.enter_async_context(http_on_tcp(api.sbi(smf), str(sbi.address), sbi.port))
        if config.management:
            await stack.enter_async_context(http_on_socket(api.management(smf, n4), config.management.socket))
        # Last in, first out: what still waits for a UPF at the end is told that it waits in vain.
        await stack.enter_async_context(n4.connected())
        emit("ready", sbi=f"{sbi.address}:{sbi.port}", sessions=len(smf.sessions))
        await stop.wait()


if __name__ == "__main__":
    sys.exit(run("core_stub.smf", serve))
