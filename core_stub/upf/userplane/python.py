"""The portable user plane: a thread of Python between a GTP-U socket and TUN devices."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from ipaddress import IPv4Address

from core_stub.datapath import LARGEST, GtpuSocket, PacketLoop
from core_stub.gtpu import (
    EchoResponse,
    Encapsulator,
    ErrorIndication,
    GPdu,
    GtpuMessage,
    Tunnel,
    echo_request,
    end_marker,
)
from core_stub.upf.rules import Counter, EchoAnswered, ErrorIndicated, Reading, Rules, UserPlaneEvent
from core_stub.upf.userplane.buffering import Act
from core_stub.upf.userplane.forwarding import Forwarding
from core_stub.upf.userplane.n6 import N6Device, N6Network, forward_ipv4


class PythonUserPlane:
    """Makes its socket, devices and thread when constructed; OSError where the kernel refuses one of them."""

    def __init__(
        self,
        gtpu_address: IPv4Address,
        networks: Iterable[N6Network],
        mtu: int,
        on_event: Callable[[UserPlaneEvent], None],
    ) -> None:
        self._on_event = on_event
        self._loop = PacketLoop("upf-user-plane")
        self._forwarding = Forwarding(self, on_event)
        self._gtpu = GtpuSocket(gtpu_address, self._loop, self._from_tunnel, self._on_signalling)
        self._devices: dict[str, N6Device] = {}
        self._echoes = 0
        try:
            for network in networks:
                self._devices[network.device] = N6Device(network, mtu)
            forward_ipv4()
        except BaseException:
            self._close_descriptors()
            raise
        for name, device in self._devices.items():
            self._loop.add(device.fd, partial(self._from_n6, device.fd), name=f"N6 device {name}")
        self._loop.start()

    @property
    def faults(self) -> Mapping[str, int]:
        """Packets that could not be carried, by reason, and rare signalling."""
        return dict(self._loop.faults)

    def apply(self, rules: Rules) -> Mapping[int, Reading]:
        """As `UserPlane.apply`."""
        dropped = self._forwarding.apply(rules)
        for tunnel in rules.end_markers:
            self._send_end_marker(tunnel)
        return dropped

    def counters(self, seid: int) -> Mapping[int, Counter]:
        """As `UserPlane.counters`."""
        return self._forwarding.counters(seid)

    def readings(self, seid: int) -> Mapping[int, Reading]:
        """As `UserPlane.readings`."""
        return self._forwarding.readings(seid)

    def buffered(self, seid: int) -> Mapping[int, Counter]:
        """As `UserPlane.buffered`."""
        return self._forwarding.buffered(seid)

    def echo(self, peer: IPv4Address) -> None:
        """As `UserPlane.echo`."""
        self._echoes = (self._echoes + 1) % (1 << 16)
        self._gtpu.send(echo_request(self._echoes), str(peer))

    def close(self) -> None:
        """Stop the thread; the socket and the devices go."""
        self._loop.stop()
        self._close_descriptors()

    # -- packets come in ----------------------------------------------------------------------------------------------

    def _from_tunnel(self, g_pdu: GPdu) -> bool:
        taken = self._forwarding.forward(g_pdu.teid, g_pdu.payload, g_pdu.qfi)
        if taken is False:
            self._loop.faults["no PDR"] += 1
        return taken is not None

    def _from_n6(self, fd: int) -> None:
        packet = os.read(fd, LARGEST)
        # Only IPv4 is routed here; the kernel's own IPv6 (router solicitations, MLD) ends here.
        if packet[0] >> 4 == 4 and self._forwarding.forward(packet[16:20], packet, None) is False:
            self._loop.faults["no PDR"] += 1

    def _on_signalling(self, message: GtpuMessage, peer: str) -> None:
        match message:
            case ErrorIndication(teid, IPv4Address() as address):
                self._on_event(ErrorIndicated(address, teid))
            case EchoResponse():
                self._on_event(EchoAnswered(IPv4Address(peer)))

    # -- and leave ----------------------------------------------------------------------------------------------------

    def to_n6(self, device: str) -> Act:
        """As `Outputs.to_n6`."""
        fd, count_error = self._devices[device].fd, self._loop.count_error

        def write(packet: bytes, _qfi: int | None) -> None:
            try:
                os.write(fd, packet)
            except OSError as error:
                count_error("n6", error)

        return write

    def to_tunnel(self, tunnel: Tunnel) -> Act:
        """As `Outputs.to_tunnel`."""
        send, peer = self._gtpu.send, str(tunnel.peer)
        if tunnel.qfi is not None:
            encapsulate = Encapsulator(tunnel.teid, tunnel.qfi, tunnel.pdu_type)
            return lambda packet, _qfi: send(encapsulate(packet), peer)
        return lambda packet, qfi: send(Encapsulator(tunnel.teid, qfi, tunnel.pdu_type)(packet), peer)

    def _send_end_marker(self, tunnel: Tunnel) -> None:
        # From the thread: a packet that it is just sending on the old path has to be before the marker.
        self._loop.call_soon(lambda: self._gtpu.send(end_marker(tunnel), str(tunnel.peer)))

    def _close_descriptors(self) -> None:
        self._gtpu.close()
        for device in self._devices.values():
            device.close()
