"""`UpfControl` on an event loop: its clock and timer, its reports on N4, the events of the user plane's thread."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager

from core_stub.errors import LocalProtocolError, PfcpTimeoutError
from core_stub.pfcp.messages import Request, Response, SessionReportResponse
from core_stub.pfcp.transactions import Address
from core_stub.pfcp.udp import NTP_EPOCH, PfcpNode
from core_stub.upf.control import UpfControl
from core_stub.upf.paths import NodeReport
from core_stub.upf.reporting import Report
from core_stub.upf.rules import UserPlaneEvent

log = logging.getLogger(__name__)


class ControlShell:
    """Made on the running loop, before what it joins: the user plane, the control and N4 need its callbacks."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ntp_zero = NTP_EPOCH + time.time() - self._loop.time()
        self._control: UpfControl | None = None
        self._node: PfcpNode | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def running(self, control: UpfControl, node: PfcpNode) -> Iterator[None]:
        """Join these while the body runs."""
        self._control, self._node = control, node
        try:
            yield
        finally:
            self._control = None
            if self._timer is not None:
                self._timer.cancel()
            for task in self._tasks:
                task.cancel()

    def ntp(self, now: float) -> int:
        """A time of the loop as seconds of UTC since 1900, modulo 2³² as on the wire."""
        return int(self._ntp_zero + now) % (1 << 32)

    def handle(self, peer: Address, request: Request) -> Response:
        """For `PfcpNode`."""
        if self._control is None:
            raise LocalProtocolError(f"{type(request).__name__} before the control is there")
        response = self._control.handle(peer, request, self._loop.time())
        self._flush()
        return response

    def on_user_plane(self, event: UserPlaneEvent) -> None:
        """For the user plane, from any thread."""
        self._loop.call_soon_threadsafe(self._take, event)

    def _take(self, event: UserPlaneEvent) -> None:
        if self._control is not None:
            self._control.on_user_plane(event, self._loop.time())
            self._flush()

    def _on_timer(self) -> None:
        if self._control is not None:
            self._control.handle_timer(self._loop.time())
            self._flush()

    def _flush(self) -> None:
        """Send the reports and arm the timer."""
        if self._control is None:
            return
        for report in self._control.reports_to_send():
            self._start(self._send(report))
        for node_report in self._control.node_reports_to_send():
            self._start(self._report_node(node_report))
        if self._timer is not None:
            self._timer.cancel()
        due = self._control.get_timer()
        self._timer = None if due is None else self._loop.call_at(due, self._on_timer)

    def _start(self, sending: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(sending)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _report_node(self, report: NodeReport) -> None:
        assert self._node is not None
        try:
            await self._node.request(report.peer, report.request)
        except (PfcpTimeoutError, LocalProtocolError) as error:
            log.warning("report on a path: %s", error)

    async def _send(self, report: Report) -> None:
        response = await self._answer(report)
        if self._control is not None:
            self._control.on_answer(report, response, self._loop.time())
            self._flush()

    async def _answer(self, report: Report) -> SessionReportResponse | None:
        """None where there is no answer, or no association any more."""
        assert self._node is not None
        try:
            response = await self._node.request(report.peer, report.request)
        except (PfcpTimeoutError, LocalProtocolError) as error:
            log.warning("report on session %d: %s", report.up_seid, error)
            return None
        return response if isinstance(response, SessionReportResponse) else None
