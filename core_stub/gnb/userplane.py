"""The gNB's packets: Ethernet frames of the UEs on one side, GTP-U on the other, a thread of Python between."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

from core_stub.datapath import LARGEST, RECEIVE_BUFFER, SO_RCVBUFFORCE, GtpuSocket, PacketLoop
from core_stub.gnb.arp import ETH_P_ARP, arp_reply
from core_stub.gnb.config import Ue
from core_stub.gtpu import Encapsulator, GPdu, Tunnel

_ETH_P_IP = 0x0800
_ETHERNET_HEADER = 14
_IPV4 = Path("/proc/sys/net/ipv4")


@dataclass
class Traffic:
    """Packets carried for a UE since the start."""

    uplink: int = 0
    downlink: int = 0


class _Radio:
    """A UE's interface; `uplink` is the encapsulation and the peer while the UE has a session."""

    def __init__(self, ue: Ue) -> None:
        self.traffic = Traffic()
        self.uplink: tuple[Encapsulator, str] | None = None
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
    """Makes its sockets and thread when constructed; OSError where the kernel refuses one of them."""

    def __init__(self, gtpu_address: IPv4Address, ues: Iterable[Ue]) -> None:
        self._radios: dict[str, _Radio] = {}
        self._by_teid: dict[int, _Radio] = {}
        self._loop = PacketLoop("gnb-user-plane")
        self._gtpu = GtpuSocket(gtpu_address, self._loop, self._from_tunnel)
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

    def set_uplink(self, ue: str, tunnel: Tunnel) -> None:
        """From its next packet on, send what comes from `ue` into `tunnel`."""
        self._radios[ue].uplink = (Encapsulator(tunnel.teid, tunnel.qfi, tunnel.pdu_type), str(tunnel.peer))

    def set_downlink(self, teid: int, ue: str) -> None:
        """Hand what comes for `teid` to `ue`."""
        self._by_teid[teid] = self._radios[ue]

    def disconnect(self, ue: str, teid: int) -> None:
        """Carry nothing for `ue` any more."""
        self._radios[ue].uplink = None
        self._by_teid.pop(teid, None)

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
        uplink = radio.uplink
        if uplink is None:
            self._loop.faults["no PDU session"] += 1
            return
        encapsulate, peer = uplink
        radio.traffic.uplink += 1
        self._gtpu.send(encapsulate(frame[_ETHERNET_HEADER:]), peer)

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


def _keep_the_kernel_out(interfaces: Iterable[str]) -> None:
    """A gNB is no router: the kernel must neither forward what UEs send nor answer it.

    Strict reverse path filtering drops packets of UEs to the gNB's own addresses, since no route leads back to them.
    """
    (_IPV4 / "ip_forward").write_text("0")
    for interface in interfaces:
        (_IPV4 / "conf" / interface / "rp_filter").write_text("1")
