"""A reflector in another node, asked by IPv4 and by IPv6."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from testbed import netns
from tests.support.polling import PATIENCE_S
from tests.support.traffic_rig import line
from traffic.session_sockets import Place, Reflector
from traffic.sessions import End
from traffic.sockets import receive, set_dscp, stamped_udp
from traffic.stamp import PORT, ReflectorMode, SessionSender

pytestmark = pytest.mark.netns


@pytest.mark.parametrize("version", [4, 6])
def test_a_reply_has_the_dscp_of_its_probe(version: int) -> None:
    with line("reflector", "near", "far") as (near, far):
        address = far.address if version == 4 else far.address6
        place = Place.of(End(far.namespace, ip_address(address)))
        assert place is not None
        reflector = Reflector(place, ReflectorMode.STATEFUL)
        reflector.socket.settimeout(PATIENCE_S)
        with netns.entered(near.namespace):
            sender = stamped_udp(None, ipv6=version == 6)
        sender.settimeout(PATIENCE_S)
        with sender, reflector.socket:
            for dscp in (46, 10, 0):
                set_dscp(sender, dscp)
                sender.sendto(SessionSender(timeout=1).prepare(), (address, PORT))
                reflector.take(receive(reflector.socket))
                reply = receive(sender)
                assert (reply.tos, reply.ttl) == (dscp << 2, 255)
