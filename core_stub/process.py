"""What every network function's process does: read its file, run, end cleanly on SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

from testbed.errors import BearerlabError


def run(prog: str, serve: Callable[[Path], Coroutine[None, None, None]]) -> int:
    """The exit code of `serve(config file)`, which ends by `stop_event()`; what is fatal becomes one message."""
    parser = argparse.ArgumentParser(prog=prog)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="YAML configuration file")
    arguments = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=f"%(asctime)s {prog} %(levelname)s %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    try:
        asyncio.run(serve(arguments.config))
    except BearerlabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 1
    return 0


def stop_event() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    event = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event
