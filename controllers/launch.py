"""`python -m controllers.launch --listen 172.31.255.1:6653 --app learning_switch`: the controller's process.

Without switches there is nothing to listen for: `--app srv6 --network FILE --northbound SOCKET` controls routers.

Events go to standard output (`testbed.events` has them all), logs to standard error.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from controllers import osken
from controllers.northbound.server import Northbound
from testbed.events import emit

_ENDINGS = (signal.SIGTERM, signal.SIGINT)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; exits 0 then, 1 if it cannot listen or load an app."""
    args = _parser().parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # Blocked before any thread starts, so that every thread inherits it and sigwait() below gets the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        listener = _listen(*args.listen) if args.listen else None
        osken.start(listener, ["controllers.apps.journal", *args.app], args)
        northbound = Northbound(args.northbound, *osken.apis()) if args.northbound else None
    except (OSError, ImportError, LookupError, osken.StartError) as error:
        print(f"controllers.launch: {error}", file=sys.stderr, flush=True)
        os._exit(1)  # os-ken's threads would keep the process
    emit("ready", apps=args.app, **({"listen": _endpoint_text(*listener.getsockname()[:2])} if listener else {}))
    signal.sigwait(_ENDINGS)
    osken.close()
    if northbound:
        northbound.close()
    os._exit(0)


def endpoint(text: str) -> tuple[str, int]:
    """Address and port out of `172.31.255.1:6653` or `[fd00::1]:6653`; ArgumentTypeError for anything else."""
    host, _, port = text.rpartition(":")
    try:
        return str(ip_address(host.removeprefix("[").removesuffix("]"))), _port(port)
    except ValueError:
        raise argparse.ArgumentTypeError(f'got "{text}"; want ADDRESS:PORT such as 172.31.255.1:6653') from None


def app_module(name: str) -> str:
    """The module of an app: one of ours by its short name, any other by its dotted name; ArgumentTypeError if none."""
    module = name if "." in name else f"controllers.apps.{name}"
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise argparse.ArgumentTypeError(f'got "{name}"; want the name of an app such as learning_switch')
    return module


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="controllers.launch", description="Bearerlab's SDN controller.")
    parser.add_argument("--listen", type=endpoint, metavar="ADDRESS:PORT", help="for OpenFlow switches")
    parser.add_argument("--app", type=app_module, action="append", required=True, help="may be given several times")
    parser.add_argument("--northbound", type=Path, metavar="SOCKET", help="where to serve the REST API of the apps")
    sdwan = parser.add_argument_group("sdwan")
    sdwan.add_argument("--overlay", type=Path, metavar="FILE", help="edges, tunnels and applications (JSON)")
    srv6 = parser.add_argument_group("srv6")
    srv6.add_argument("--network", type=Path, metavar="FILE", help="routers, links, tenants and policies (JSON)")
    srv6.add_argument("--state", type=Path, metavar="FILE", help="keeps the policies that are added while it runs")
    return parser


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise OSError(f"cannot listen on {_endpoint_text(host, port)}: {error.strerror}") from error
    return listener


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError(port)
    return port


def _endpoint_text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


if __name__ == "__main__":
    main()
