"""`python -m core_stub.smf --config smf.yaml`: JSON lines on stdout, logs on stderr, ends at SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
from aiohttp import web

from core_stub.smf import api
from core_stub.smf.config import SmfConfig, load
from core_stub.smf.n4 import PfcpN4
from core_stub.smf.ran import HttpRan
from core_stub.smf.service import Smf
from testbed.errors import InputError


def main() -> int:
    """Run until SIGTERM; 2 if the configuration is wrong, 1 if an address cannot be had."""
    parser = argparse.ArgumentParser(prog="core_stub.smf", description="SMF of the 5G core stub")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(load(parser.parse_args().config)))
    except InputError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"smf: {error}", file=sys.stderr)
        return 1
    return 0


async def serve(config: SmfConfig) -> None:
    """Serve both APIs and N4 until SIGTERM or SIGINT; OSError if an address cannot be had."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        n4 = PfcpN4(config.pfcp, emit)
        smf = Smf(config, n4, HttpRan(http), emit)
        n4.on_report = smf.on_session_report
        await _listen(stack, config, smf, n4)
        await stack.enter_async_context(n4.connected())
        emit("ready")
        await stopped.wait()


async def _listen(stack: AsyncExitStack, config: SmfConfig, smf: Smf, n4: PfcpN4) -> None:
    server, path = config.sbi.server[0], config.management.socket
    for app, site in (
        (api.sbi(smf), lambda runner: web.TCPSite(runner, str(server.address), server.port)),
        (api.management(smf, n4), lambda runner: web.UnixSite(runner, str(path))),
    ):
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await site(runner).start()
    stack.callback(path.unlink, missing_ok=True)


def emit(event: str, **fields: object) -> None:
    """One JSON line on stdout."""
    print(json.dumps({"event": event, "t": time.time(), **fields}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
