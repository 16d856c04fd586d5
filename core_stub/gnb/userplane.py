"""The gNB's packets: Ethernet frames of the UEs on one side, GTP-U on the other, a thread of Python between."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

from core_stub.datapath import LARGEST, RECEIVE_BUFFER, SO_RCVBUFFORCE, GtpuSocket, PacketLoop
from core_stub.flow import flow_of
from core_stub.gnb.arp import ETH_P_ARP, arp_reply
from core_stub.gnb.config import Ue
from core_stub.gnb.smf import QosRule
from core_stub.gtpu import Encapsulator, EndMarker, GPdu, GtpuMessage, Tunnel
from core_stub.sdf import FlowMatcher, parse_flow_description

_ETH_P_IP = 0x0800
_ETHERNET_HEADER = 14
_SOURCE_ADDRESS = slice(26, 30)
_WAITING_PACKETS = 64
"""Packets that a UE keeps while its service request is under way."""
_IPV4 = Path("/proc/sys/net/ipv4")


@dataclass
class Traffic:
    """Packets carried for a UE since the start."""

    uplink: int = 0
    downlink: int = 0


class _Uplink:
    """The packets of one session; those that a QoS rule takes get its QFI (TS 23.501 §5.7.1.5)."""

    def __init__(self, tunnel: Tunnel, rules: Iterable[QosRule]) -> None:
        self.peer = str(tunnel.peer)
        self._default = Encapsulator(tunnel.teid, tunnel.qfi, tunnel.pdu_type)
        self._rules: list[tuple[list[FlowMatcher], Encapsulator]] = [
            (_uplink_matchers(rule), Encapsulator(tunnel.teid, rule.qfi, tunnel.pdu_type)) for rule in rules
        ]

    def encapsulate(self, packet: bytes) -> bytes:
        return self._encapsulator(packet)(packet) if self._rules else self._default(packet)

    def _encapsulator(self, packet: bytes) -> Encapsulator:
        flow = flow_of(packet)
        if flow is not None:
            for matchers, encapsulator in self._rules:
                if any(matches(flow) for matches in matchers):
                    return encapsulator
        return self._default


def _uplink_matchers(rule: QosRule) -> list[FlowMatcher]:
    return [parse_flow_description(text).swapped().compile() for text in rule.sdf]


class _Radio:
    """A UE's interface. `uplinks` are by the UE's address, the newest session's last.

    `waiting` has the packets of an idle session, which are to make the UE ask for its user plane. Both are the packet
    thread's alone.
    """

    def __init__(self, ue: Ue) -> None:
        self.name = ue.name
        self.traffic = Traffic()
        self.uplinks: dict[bytes, _Uplink] = {}
        self.waiting: dict[bytes, deque[bytes]] = {}
        self.ip = _packet_socket(ue.interface, _ETH_P_IP)
        try:
            self.arp = _packet_socket(ue.interface, ETH_P_ARP)
        except OSError:
            self.ip.close()
            raise
        self.mac: bytes = self.ip.getsockname()[4]
        self.header = bytes.fromhex(ue.mac.replace(":", "")) + self.mac + _ETH_P_IP.to_bytes(2)

    def close(self) -> None:
        self.ip.close()
        self.arp.close()


def _packet_socket(interface: str, protocol: int) -> socket.socket:
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        packets.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        packets.bind((interface, protocol))
    except OSError as error:
        packets.close()
        raise OSError(error.errno, error.strerror, interface) from error
    return packets


class GnbUserPlane:
    """Makes its sockets and thread when constructed; OSError where the kernel refuses one of them.

    From that thread come `on_waiting`, with the name of a UE and its address, when the first packet of an idle session
    waits, and `on_end_marker`, with the TEID.
    """

    def __init__(self, gtpu_address: IPv4Address, ues: Iterable[Ue]) -> None:
        self.on_waiting: Callable[[str, IPv4Address], None] = lambda _ue, _address: None
        self.on_end_marker: Callable[[int], None] = lambda _: None
        self._radios: dict[str, _Radio] = {}
        self._by_teid: dict[int, _Radio] = {}
        self._loop = PacketLoop("gnb-user-plane")
        self._gtpu = GtpuSocket(gtpu_address, self._loop, self._from_tunnel, self._on_signalling)
        try:
            for ue in ues:
                self._radios[ue.name] = _Radio(ue)
            _keep_the_kernel_out(ue.interface for ue in ues)
        except BaseException:
            self._close_sockets()
            raise
        for name, radio in self._radios.items():
            self._loop.add(radio.ip.fileno(), partial(self._from_ue, radio), name=f"radio of {name}")
            self._loop.add(radio.arp.fileno(), partial(self._from_ue_arp, radio), name=f"radio of {name}")
        self._loop.start()

    @property
    def faults(self) -> Mapping[str, int]:
        """Packets that could not be carried, by reason, and rare signalling."""
        return dict(self._loop.faults)

    def traffic(self, ue: str) -> Traffic:
        """What was carried for `ue`."""
        return self._radios[ue].traffic

    def set_uplink(self, ue: str, address: IPv4Address, tunnel: Tunnel, rules: Iterable[QosRule] = ()) -> None:
        """From its next packet on, send what comes from `ue` with this source into `tunnel`; first what waits.

        Packets with another source than that of a session go the way of the newest one.
        """
        self._loop.call_soon(partial(self._resume, self._radios[ue], address.packed, _Uplink(tunnel, rules)))

    def wait(self, ue: str, address: IPv4Address) -> None:
        """The session is idle: what the UE sends waits."""
        self._loop.call_soon(partial(_hold, self._radios[ue], address.packed))

    def set_downlink(self, teid: int, ue: str) -> None:
        """Hand what comes for `teid` to `ue`."""
        self._by_teid[teid] = self._radios[ue]

    def end_downlink(self, teid: int) -> None:
        """Hand nothing on that comes for `teid`."""
        self._by_teid.pop(teid, None)

    def disconnect(self, ue: str, address: IPv4Address) -> None:
        """Carry nothing more from `ue` for the session with this address."""
        self._loop.call_soon(partial(_let_go, self._radios[ue], address.packed))

    def close(self) -> None:
        """Stop the thread; the sockets go."""
        self._loop.stop()
        self._close_sockets()

    def _close_sockets(self) -> None:
        self._gtpu.close()
        for radio in self._radios.values():
            radio.close()

    def _from_ue(self, radio: _Radio) -> None:
        frame = radio.ip.recv(LARGEST)
        source = frame[_SOURCE_ADDRESS]
        uplink = radio.uplinks.get(source)
        if uplink is not None:
            self._send(radio, uplink, frame)
        elif radio.waiting:
            self._keep(radio, source, frame)
        elif radio.uplinks:
            self._send(radio, next(reversed(radio.uplinks.values())), frame)
        else:
            self._loop.faults["no PDU session"] += 1

    def _send(self, radio: _Radio, uplink: _Uplink, frame: bytes) -> None:
        radio.traffic.uplink += 1
        self._gtpu.send(uplink.encapsulate(frame[_ETHERNET_HEADER:]), uplink.peer)

    def _keep(self, radio: _Radio, source: bytes, frame: bytes) -> None:
        key = source if source in radio.waiting else next(reversed(radio.waiting))
        waiting = radio.waiting[key]
        waiting.append(frame)
        if len(waiting) == 1:
            self.on_waiting(radio.name, IPv4Address(key))

    def _resume(self, radio: _Radio, source: bytes, uplink: _Uplink) -> None:
        # Before anything that comes now: nothing overtakes what waited.
        for frame in radio.waiting.pop(source, ()):
            self._send(radio, uplink, frame)
        radio.uplinks[source] = uplink

    def _on_signalling(self, message: GtpuMessage, _peer: str) -> None:
        if isinstance(message, EndMarker):
            self.on_end_marker(message.teid)

    def _from_ue_arp(self, radio: _Radio) -> None:
        reply = arp_reply(radio.arp.recv(LARGEST), radio.mac)
        if reply is not None:
            self._to_ue(radio, reply)

    def _to_ue(self, radio: _Radio, frame: bytes) -> None:
        try:
            radio.ip.send(frame)
        except OSError as error:
            self._loop.count_error("radio", error)

    def _from_tunnel(self, g_pdu: GPdu) -> bool:
        radio = self._by_teid.get(g_pdu.teid)
        if radio is None:
            return False
        radio.traffic.downlink += 1
        self._to_ue(radio, radio.header + g_pdu.payload)
        return True


def _hold(radio: _Radio, source: bytes) -> None:
    radio.waiting[source] = deque(maxlen=_WAITING_PACKETS)
    radio.uplinks.pop(source, None)


def _let_go(radio: _Radio, source: bytes) -> None:
    radio.uplinks.pop(source, None)
    radio.waiting.pop(source, None)


def _keep_the_kernel_out(interfaces: Iterable[str]) -> None:
    """A gNB is no router: the kernel must neither forward what UEs send nor answer it.

    Strict reverse path filtering drops packets of UEs to the gNB's own addresses, since no route leads back to them.
    """
    (_IPV4 / "ip_forward").write_text("0")
    for interface in interfaces:
        (_IPV4 / "conf" / interface / "rp_filter").write_text("1")
