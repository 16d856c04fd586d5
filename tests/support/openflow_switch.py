"""A switch without a data plane: connects to a controller over TCP and speaks just enough OpenFlow 1.3."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from types import TracebackType

from os_ken.ofproto import ofproto_v1_3 as ofp


@dataclass(frozen=True)
class Message:
    """One message from the controller."""

    type: int
    xid: int
    body: bytes


class OpenFlowSwitch:
    """Completes the handshake when entered; then messages of the controller are read one by one."""

    def __init__(self, address: tuple[str, int], dpid: int) -> None:
        self._socket = socket.create_connection(address, timeout=10)
        self._dpid = dpid

    def __enter__(self) -> OpenFlowSwitch:
        self.send(ofp.OFPT_HELLO, 1)
        features = self.receive(ofp.OFPT_FEATURES_REQUEST)
        self.send(ofp.OFPT_FEATURES_REPLY, features.xid, struct.pack("!QIBB2xII", self._dpid, 0, 254, 0, 0, 0))
        ports = self.receive(ofp.OFPT_MULTIPART_REQUEST)
        self.send(ofp.OFPT_MULTIPART_REPLY, ports.xid, struct.pack("!HH4x", ofp.OFPMP_PORT_DESC, 0))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def send(self, kind: int, xid: int, body: bytes = b"") -> None:
        """Send a message."""
        self._socket.sendall(struct.pack("!BBHI", ofp.OFP_VERSION, kind, 8 + len(body), xid) + body)

    def receive(self, kind: int) -> Message:
        """The next message of this type; others are passed over. TimeoutError after ten seconds of silence."""
        while True:
            _, got, length, xid = struct.unpack("!BBHI", self._read(8))
            body = self._read(length - 8)
            if got == kind:
                return Message(got, xid, body)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            chunk = self._socket.recv(count - len(data))
            if not chunk:
                raise ConnectionError("the controller closed the connection")
            data += chunk
        return data


def packet_in(port: int, source: bytes, target: bytes = bytes(6)) -> bytes:
    """§7.4.1: no buffer, length, reason, table, cookie; a match on in_port; padding; the frame."""
    match = struct.pack("!HHIIH", 1, 12, 0x8000_0004, port, 0).ljust(18, b"\0")
    frame = target + source + b"\x08\x00" + bytes(46)
    return struct.pack("!IHBBQ", 0xFFFF_FFFF, 60, 0, 0, 0) + match + frame
