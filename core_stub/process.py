"""What every network function's process does: read its file, run, end cleanly on SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from core_stub.config import template_variables
from testbed.errors import BearerlabError, HostError

Serve = Callable[[Path, Mapping[str, Any]], Coroutine[None, None, None]]
"""Runs a network function from its configuration file and the variables for it, if it is a template."""


def run(prog: str, serve: Serve) -> int:
    """The exit code of `serve`, which ends by `stop_event()`; what is fatal becomes one message."""
    parser = argparse.ArgumentParser(prog=prog)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="YAML file, or a template .j2")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a variable of a template")
    arguments = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=f"%(asctime)s {prog} %(levelname)s %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    try:
        asyncio.run(serve(arguments.config, template_variables(arguments.set)))
    except BearerlabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except PermissionError as error:
        print(f"{prog}: {error}; run it as root", file=sys.stderr)
        return HostError.exit_code
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
