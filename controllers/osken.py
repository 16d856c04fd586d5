"""The fence around os-ken: typed events and apps on this side, os-ken 4 with native threads on the other.

os-ken brings no launcher, and in native mode it leaves a connection's threads waiting for ever once the switch is gone,
so that nobody hears of it; `_Connection` mends that, and remembers what it sent so that an error can name its cause.
In native mode os-ken also takes every exception for the wish to end a thread: see `_TaskExit`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from importlib import import_module
from inspect import getmembers, isclass
from typing import Any, TypeVar

from os_ken import cfg
from os_ken.base.app_manager import AppManager, OSKenApp
from os_ken.controller import controller, ofp_event, ofp_handler
from os_ken.controller.handler import (
    CONFIG_DISPATCHER,
    DEAD_DISPATCHER,
    HANDSHAKE_DISPATCHER,
    MAIN_DISPATCHER,
    set_ev_cls,
)
from os_ken.lib import hub
from os_ken.ofproto import ofproto_v1_3

from controllers import openflow
from controllers.flows import Change, Counters, SwitchState

_log = logging.getLogger(__name__)

_REMEMBERED = 16_384
"""Messages that a connection remembers: those of a whole overlay, which are queued before the first error comes."""

_ETHERNET_HEADER = 14

_CLOSING_S = 2

_KEEPALIVE = (
    # A CPE whose namespace is gone says no goodbye: it is given up after 15 s of silence.
    (socket.TCP_KEEPIDLE, 5),
    (socket.TCP_KEEPINTVL, 5),
    (socket.TCP_KEEPCNT, 2),
    (socket.TCP_USER_TIMEOUT, 15_000),
)


class Datapath:
    """A connected switch."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.dpid: int = connection.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Datapath) and self._connection is other._connection

    def __hash__(self) -> int:
        return hash(self._connection)

    def ask_tables(self) -> None:
        """Ask for all that is in its tables; the answer comes as a `Tables` event."""
        self._connection.tables = SwitchState()
        for request in openflow.state_requests(self._connection):
            self._connection.send_msg(request)

    def ask_counters(self) -> None:
        """Ask for what its ports and groups have counted; the answer comes as `Counted` events, each a part of it."""
        for request in openflow.counter_requests(self._connection):
            self._connection.send_msg(request)

    def send(self, changes: Iterable[Change]) -> None:
        """Queue the changes, in this order; what the switch refuses comes back as a `Refused` event."""
        for change in changes:
            self._connection.send_msg(openflow.message(self._connection, change))


@dataclass(frozen=True)
class Tables:
    """All that is in a switch's tables."""

    datapath: Datapath
    state: SwitchState


@dataclass(frozen=True)
class Counted:
    """What a switch has counted."""

    datapath: Datapath
    counters: Counters


@dataclass(frozen=True)
class PacketIn:
    """A packet that a flow sent to the controller, and the metadata that it had there."""

    datapath: Datapath
    port: int
    data: bytes
    metadata: int = 0

    @property
    def eth_src(self) -> str:
        """The source address in the Ethernet header."""
        return self.data[6:12].hex(":")


@dataclass(frozen=True)
class Refused:
    """An OpenFlow error, and the message of ours that caused it where it is still remembered."""

    dpid: int | None
    type: str
    code: str
    request: dict[str, object]


class App(OSKenApp):  # type: ignore[misc]
    """The base of our apps; os-ken calls the methods marked `on_…`, one at a time, in a thread of the app's own."""

    OFP_VERSIONS: tuple[int, ...] | None = (ofproto_v1_3.OFP_VERSION,)

    options: Namespace
    """The launcher's command line, the same for all apps."""

    api: Any = None
    """Its part of the northbound: operations and endpoints (`controllers.northbound.server.Api`)."""


AnyApp = TypeVar("AnyApp", bound=App)


def on_switch_up(handler: Callable[[AnyApp, Datapath], None]) -> Callable[[AnyApp, Any], None]:
    """Mark the method to call when a switch has connected and its features are known."""
    return _on(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER], handler, lambda event: Datapath(event.datapath))


def on_switch_down(handler: Callable[[AnyApp, Datapath], None]) -> Callable[[AnyApp, Any], None]:
    """Mark the method to call when the connection of a switch whose features were known has ended."""
    return _on(ofp_event.EventOFPStateChange, [DEAD_DISPATCHER], handler, _ended)


def on_packet_in(handler: Callable[[AnyApp, PacketIn], None]) -> Callable[[AnyApp, Any], None]:
    """Mark the method to call for each packet-in with a whole Ethernet header."""
    return _on(ofp_event.EventOFPPacketIn, [MAIN_DISPATCHER], handler, _packet_in)


def on_tables(handler: Callable[[AnyApp, Tables], None]) -> Callable[[AnyApp, Any], None]:
    """Mark the method to call with what a switch has in its tables, once it has answered `Datapath.ask_tables`."""
    replies = [
        ofp_event.EventOFPMeterConfigStatsReply,
        ofp_event.EventOFPGroupDescStatsReply,
        ofp_event.EventOFPFlowStatsReply,
    ]
    return _on(replies, [MAIN_DISPATCHER], handler, _tables)


def on_counted(handler: Callable[[AnyApp, Counted], None]) -> Callable[[AnyApp, Any], None]:
    """Mark the method to call with each part of what a switch answers to `Datapath.ask_counters`."""
    replies = [ofp_event.EventOFPPortStatsReply, ofp_event.EventOFPGroupStatsReply]
    return _on(replies, [MAIN_DISPATCHER], handler, _counted)


def on_flow_removed(handler: Callable[[AnyApp, Datapath], None]) -> Callable[[AnyApp, Any], None]:
    """Mark the method to call when a switch says that somebody has removed a flow that is `watched`."""
    return _on(ofp_event.EventOFPFlowRemoved, [MAIN_DISPATCHER], handler, _removed)


def on_refused(handler: Callable[[AnyApp, Refused], None]) -> Callable[[AnyApp, Any], None]:
    """Mark the method to call for each OpenFlow error of a switch."""
    states = [HANDSHAKE_DISPATCHER, CONFIG_DISPATCHER, MAIN_DISPATCHER]
    return _on(ofp_event.EventOFPErrorMsg, states, handler, _refused)


class _TaskExit(BaseException):
    """What ends a thread of the hub on purpose, with eventlet.

    Without eventlet the hub has no such exception and takes `Exception` instead, so that a handler that raises would
    end its app's thread without a word. With one that nobody raises the traceback is logged, and the app goes on.
    """


class StartError(Exception):
    """An app cannot start; the message says why."""


class _Manager(AppManager):  # type: ignore[misc]
    """Takes apps by their modules' names only; os-ken would rather load a file or folder that is called the same."""

    def load_app(self, name: str) -> type[OSKenApp] | None:
        module = import_module(name)
        apps = getmembers(module, lambda found: isclass(found) and issubclass(found, OSKenApp))
        return next((found for _, found in apps if found.__module__ == name), None)


def start(
    listener: socket.socket | None, app_modules: Iterable[str], options: Namespace, arguments: Sequence[str] = ()
) -> None:
    """Load the apps and serve switches, if any, on `listener` from threads.

    `arguments` are options of os-ken and of the apps, such as `--observe-links`. LookupError for a module without an
    app, StartError from an app that cannot start.
    """
    App.options = options
    hub.TaskExit = _TaskExit
    # os-ken would bind in a thread, where nobody hears that the port is taken: our listener takes its place.
    ofp_handler.OpenFlowController = lambda: (lambda: _accept(listener)) if listener else (lambda: None)
    AppManager._instance = manager = _Manager()
    for module in app_modules:
        if manager.load_app(module) is None:
            raise LookupError(f"{module}: no os-ken app in this module")
        manager.load_apps([module])
    # After the imports: they add options. ryu-manager has discovery's, too.
    import_module("os_ken.topology.switches")
    try:
        cfg.CONF(args=list(arguments), project="bearerlab", default_config_files=[])
    except SystemExit as error:  # it has said what is wrong
        raise StartError(f"no app has the options {' '.join(arguments)}") from error
    manager.instantiate_apps(**manager.create_contexts())


def app(name: str) -> App | None:
    """The app whose class is called `name`; None if it is not loaded."""
    found = AppManager.get_instance().applications.get(name)
    return found if isinstance(found, App) else None


def apis() -> list[Any]:
    """The parts of the northbound that apps have."""
    apps = AppManager.get_instance().applications.values()
    return [app.api for app in apps if isinstance(app, App) and app.api]


def close() -> None:
    """Let every app take down what it has outside of this process; others than ours have two seconds for it."""
    for app in AppManager.get_instance().applications.values():
        if isinstance(app, App):
            app.close()
        else:
            # It may wait for threads that do not end without eventlet's way of ending them.
            closing = threading.Thread(target=app.close, daemon=True)
            closing.start()
            closing.join(_CLOSING_S)


def _on(
    event: Any, states: list[str], handler: Callable[[AnyApp, Any], None], convert: Callable[[Any], Any]
) -> Callable[[AnyApp, Any], None]:
    def receive(app: AnyApp, event: Any) -> None:
        value = convert(event)
        if value is not None:
            handler(app, value)

    update_wrapper(receive, handler, updated=())  # its name is in the log if it raises
    set_ev_cls(event, states)(receive)
    return receive


def _ended(event: Any) -> Datapath | None:
    return None if event.datapath.id is None else Datapath(event.datapath)


def _tables(event: Any) -> Tables | None:
    """None until the last part: flows are asked for last, and a switch answers in order."""
    message = event.msg
    connection = message.datapath
    connection.tables = openflow.with_part(connection.tables, message)
    complete = isinstance(event, ofp_event.EventOFPFlowStatsReply) and not openflow.more_follows(message)
    return Tables(Datapath(connection), connection.tables) if complete else None


def _counted(event: Any) -> Counted:
    return Counted(Datapath(event.msg.datapath), openflow.read_counters(event.msg))


def _removed(event: Any) -> Datapath | None:
    return Datapath(event.msg.datapath) if openflow.removed_by_somebody(event.msg) else None


def _packet_in(event: Any) -> PacketIn | None:
    message = event.msg
    if len(message.data) < _ETHERNET_HEADER:
        return None
    metadata = message.match.get("metadata", 0)
    return PacketIn(Datapath(message.datapath), message.match["in_port"], bytes(message.data), metadata)


def _refused(event: Any) -> Refused:
    message = event.msg
    cause = message.datapath.sent(message.xid)
    # §7.4.4: the error carries at least the first 64 bytes of the message that caused it.
    data: dict[str, object] = {"data": bytes(message.data or b"").hex()}
    request = openflow.describe(cause) if cause else data
    return Refused(message.datapath.id, *openflow.error_names(message), request)


class _Connection(controller.Datapath):  # type: ignore[misc]
    def __init__(self, connected: socket.socket, address: object) -> None:
        self.tables = SwitchState()
        """As far as it has told since it was last asked."""
        self._sent: dict[int, Any] = {}
        self._sending = threading.Lock()
        for option, value in _KEEPALIVE:
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        super().__init__(connected, address)

    def sent(self, xid: int) -> Any | None:
        return self._sent.get(xid)

    def send_msg(self, msg: Any, close_socket: bool = False) -> Any:
        # Several apps send to one switch; without the lock two messages could get one xid.
        with self._sending:
            if msg.xid is None:
                self._sent[self.set_xid(msg)] = msg
            if len(self._sent) > _REMEMBERED:
                del self._sent[next(iter(self._sent))]
        return super().send_msg(msg, close_socket=close_socket)

    def _recv_loop(self) -> None:
        try:
            super()._recv_loop()
        finally:
            self.send(b"", close_socket=True)  # the sending thread waits on its queue for ever otherwise


def _accept(listener: socket.socket) -> None:
    try:
        while True:
            hub.spawn(_serve, *listener.accept())
    except OSError:
        _log.critical("the listening socket failed", exc_info=True)
        os._exit(1)


def _serve(connected: socket.socket, address: object) -> None:
    with contextlib.closing(_Connection(connected, address)) as connection:
        connection.serve()
