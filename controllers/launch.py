"""`python -m controllers.launch --listen 172.31.255.1:6653 --app learning_switch`: the controller's process.

Without switches there is nothing to listen for: `--app srv6 --network FILE --northbound SOCKET` controls routers.
With `--file FILE.py` an app of the user's own runs, written for os-ken or for Ryu; what follows `--` are its options.

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
from contextlib import ExitStack
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import NoReturn

from controllers import appfile, osken, ryu_alias, threads
from controllers.northbound.server import Northbound
from testbed.errors import HostError, InputError
from testbed.events import emit

_log = logging.getLogger("bearerlab")
_for_good = ExitStack()
"""What lasts as long as the process."""

_ENDINGS = (signal.SIGTERM, signal.SIGINT)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; exits 0 then, 1 if it cannot listen or load an app (2 and 3 with `--console`)."""
    args = _arguments(argv)
    logging.basicConfig(stream=sys.stderr, level=_level(args), format="%(levelname)s %(name)s: %(message)s")
    # Blocked before any thread starts, so that every thread inherits it and sigwait() below gets the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    closing = ExitStack()
    if args.file:
        # A file of the user's may hang while it is loaded: then too a signal has to end it.
        threads.start("the app", partial(_serve, args, closing))
    else:
        _serve(args, closing)
    signal.sigwait(_ENDINGS)
    closing.close()
    _exit(0)


def _serve(args: argparse.Namespace, closing: ExitStack) -> None:
    """Start everything; what has to be closed at the end is put into `closing`."""
    try:
        # First: who finds it listening may take it for an app that runs.
        loaded = _loaded(args.file) if args.file else None
        listener = _listen(*args.listen) if args.listen else None
        _start(listener, args, loaded)
        northbound = Northbound(args.northbound, *osken.apis()) if args.northbound else None
    except (OSError, ImportError, LookupError, osken.StartError, InputError) as error:
        print(str(error) if args.console else f"controllers.launch: {error}", file=sys.stderr, flush=True)
        _exit(_console_code(error) if args.console else 1)
    if northbound:
        closing.callback(northbound.close)
    closing.callback(osken.close)
    listening = {"listen": _endpoint_text(*listener.getsockname()[:2])} if listener else {}
    if args.console:
        _log.info("%s serves switches at %s; Ctrl-C ends it", args.file, listening.get("listen"))
    else:
        emit("ready", apps=[*args.app, *([args.file.name] if args.file else [])], **listening)


def _loaded(file: Path) -> tuple[str, Sequence[str]]:
    """The module of the user's app, and those of the apps that it requires."""
    # For as long as the process lives: an app may import when it handles something.
    required = _for_good.enter_context(ryu_alias.alias())
    return appfile.load(file), required


def _start(listener: socket.socket | None, args: argparse.Namespace, loaded: tuple[str, Sequence[str]] | None) -> None:
    apps = ["controllers.apps.console" if args.console else "controllers.apps.journal", *args.app]
    if loaded is None:
        osken.start(listener, apps, args)
        return
    name, required = loaded
    with appfile.explained(args.file):
        osken.start(listener, [*apps, name, *required], args, args.options)


def _exit(code: int) -> NoReturn:
    """End the process: os-ken's threads would keep it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _console_code(error: Exception) -> int:
    """The exit code that `bearerlab` has for it: the input is wrong, or the host cannot."""
    return HostError.exit_code if isinstance(error, OSError) else InputError.exit_code


def _level(args: argparse.Namespace) -> int:
    """As ryu-manager's: what an app has to say is read."""
    return logging.INFO if args.file else logging.WARNING


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


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    args = parser.parse_args(argv)
    if not args.app and not args.file:
        parser.error("one of --app and --file is wanted")
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="controllers.launch", description="Bearerlab's SDN controller.")
    parser.add_argument("--listen", type=endpoint, metavar="ADDRESS:PORT", help="for OpenFlow switches")
    parser.add_argument("--app", type=app_module, action="append", default=[], help="may be given several times")
    parser.add_argument("--file", type=Path, metavar="FILE.py", help="an app of one's own, for os-ken or for Ryu")
    parser.add_argument("--console", action="store_true", help="write for people instead of events")
    parser.add_argument("options", nargs="*", help="of the app in the file, after --")
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
