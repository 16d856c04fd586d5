"""What an idle session costs in memory, in the control's tables and the user plane's."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from random import Random

from core_stub.gtpu import Tunnel
from core_stub.pfcp.ies import (
    ApplyAction,
    Cause,
    CreateFar,
    CreateQer,
    CreateUrr,
    Interface,
    MeasurementMethod,
    ReportingTriggers,
    UpdateFar,
    Volume,
)
from core_stub.pfcp.messages import (
    SessionEstablishmentResponse,
    SessionModificationRequest,
    SessionModificationResponse,
)
from core_stub.upf.control import UpfControl
from core_stub.upf.identifiers import Identifiers
from core_stub.upf.networks import DataNetwork, Networks
from core_stub.upf.predefined import Applications
from core_stub.upf.resolve import Resolver
from core_stub.upf.userplane.buffering import Act
from core_stub.upf.userplane.forwarding import Forwarding
from tests.support.upf import GTPU, N4, SMF, downlink, establishment, to_n6, tunnelling, uplink

LIMIT = 4096
URR = CreateUrr(1, MeasurementMethod.VOLUM, ReportingTriggers.VOLTH, volume_threshold=Volume(100 << 20))


class _Nowhere:
    def to_n6(self, device: str) -> Act:
        raise AssertionError(device)

    def to_tunnel(self, tunnel: Tunnel) -> Act:
        raise AssertionError(tunnel)


class _Plane(Forwarding):
    def echo(self, peer: IPv4Address) -> None:
        raise AssertionError(peer)

    def close(self) -> None:
        """Nothing to give back."""


def control() -> UpfControl:
    networks = Networks([DataNetwork(IPv4Network("10.0.0.0/8"), "n6", "internet")])
    return UpfControl(
        n4_address=N4,
        identifiers=Identifiers(GTPU, networks, Random(1)),
        resolver=Resolver(networks, Applications({}), {}),
        user_plane=_Plane(_Nowhere(), lambda _: None),
        on_event=lambda _: None,
        ntp=int,
    )


# The codec decodes equal IEs to one value.
TO_N6, IDLE, QERS = to_n6(2), CreateFar(1, ApplyAction.BUFF | ApplyAction.NOCP), (CreateQer(1, qfi=1),)


def establish(upf: UpfControl, number: int) -> None:
    """2 PDRs, 2 FARs, a QER and a URR, and the gNB's tunnel afterwards."""
    ue = IPv4Address(0x0A00_0001 + number)
    pdrs = (replace(uplink(2, 2), urr_ids=(1,)), downlink(1, 1, ue=ue, urr_ids=(1,)))
    request = establishment(*pdrs, TO_N6, IDLE, cp_seid=number + 1, qers=QERS)
    response = upf.handle(SMF, replace(request, create_urrs=(URR,)), 0.0)
    assert isinstance(response, SessionEstablishmentResponse)
    assert response.up_f_seid
    update = UpdateFar(1, ApplyAction.FORW, tunnelling(Interface.ACCESS, number + 1, "198.51.100.1"))
    active = upf.handle(SMF, SessionModificationRequest(response.up_f_seid.seid, update_fars=(update,)), 0.0)
    assert isinstance(active, SessionModificationResponse)
    assert active.cause is Cause.REQUEST_ACCEPTED


def test_a_session_takes_no_more_than_4_kib_and_the_thousandth_no_more_than_the_first() -> None:
    upf = control()
    costs = []
    tracemalloc.start()
    try:
        # What all sessions share comes first.
        for number in range(100):
            establish(upf, number)
        for number in (100, 1100):
            gc.collect()
            before, _ = tracemalloc.get_traced_memory()
            for offset in range(1000):
                establish(upf, number + offset)
            gc.collect()
            costs.append((tracemalloc.get_traced_memory()[0] - before) / 1000)
    finally:
        tracemalloc.stop()
    assert all(cost < LIMIT for cost in costs), costs
