"""PFCP's codec against pycrate: session establishments as Open5GS sends them, to octets and back.

Every session has its own SEID, subscriber, UE address and tunnel to the SMF; the rest of its rules is that of all
others, as in a core. Both sides get the same octets in turn, in one run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import TypeVar

from core_stub.pfcp import codec
from core_stub.pfcp.codec import reference
from core_stub.pfcp.ies import (
    ApplyAction,
    CreateBar,
    CreateFar,
    CreatePdr,
    CreateQer,
    CreateUrr,
    ForwardingParameters,
    FSeid,
    FTeid,
    Interface,
    InterfaceType,
    MeasurementMethod,
    NodeId,
    OuterHeaderCreation,
    OuterHeaderCreationDescription,
    OuterHeaderRemoval,
    Pdi,
    PdnType,
    ReportingTriggers,
    SdfFilter,
    UeIpAddress,
    UserId,
    Volume,
)
from core_stub.pfcp.messages import SessionEstablishmentRequest
from testbed.bench.figures import Figure

ROUNDS = 9
SESSIONS = 200
"""A round of ours; pycrate gets `_OF_PYCRATE` of them."""
_OF_PYCRATE = 5

Item = TypeVar("Item")

_SMF = IPv4Address("10.250.0.1")
_DNN = "internet"
_GTPU = OuterHeaderCreationDescription.GTPU_UDP_IPV4
_CHOSEN = FTeid(choose=True, choose_id=5, choose_ipv4=True, choose_ipv6=True)
_ROUTER_ADVERTISEMENTS = SdfFilter("permit out 58 from ff02::2/128 to assigned")


def codec_figures(rounds: int = ROUNDS, sessions: int = SESSIONS) -> tuple[Figure, ...]:
    """Microseconds for a message in either direction, and how many times as fast as pycrate both together are."""
    times = [_round(range(first, first + sessions)) for first in range(0, rounds * sessions, sessions)]
    encode, decode, built, parsed = (statistics.median(column) for column in zip(*times, strict=True))
    return (
        Figure("codec_encode_us", round(encode, 1), "us", round(built, 1)),
        Figure("codec_decode_us", round(decode, 1), "us", round(parsed, 1)),
        Figure("codec_speedup_over_pycrate", round((built + parsed) / (encode + decode), 1), "ratio"),
    )


def _round(numbers: range) -> tuple[float, float, float, float]:
    """Microseconds to encode and to decode, of ours and of pycrate; sessions that neither has seen before."""
    messages = [establishment(number) for number in numbers]
    encode = _each_us(lambda message: codec.encode(message, 1), messages)
    frames = [next(codec.frames(codec.encode(message, 1))) for message in messages]
    decode = _each_us(codec.decode, frames)
    octets = [frame.octets for frame in frames[:_OF_PYCRATE]]
    parsed = _each_us(reference.parse, octets)
    built = _each_us(reference.build, [reference.parse(datagram) for datagram in octets])
    return encode, decode, built, parsed


def _each_us(work: Callable[[Item], object], items: Sequence[Item]) -> float:
    begin = time.perf_counter()
    for item in items:
        work(item)
    return (time.perf_counter() - begin) / len(items) * 1e6


def establishment(number: int) -> SessionEstablishmentRequest:
    """What Open5GS 2.7.7 asks for a session over IPv4: four PDRs, three FARs, a URR, a QER and a BAR."""
    return SessionEstablishmentRequest(
        seid=0,
        node_id=NodeId(_SMF),
        cp_f_seid=FSeid(number + 1, _SMF),
        create_pdrs=(_downlink(number), *_SHARED_PDRS),
        create_fars=(
            CreateFar(1, ApplyAction.BUFF | ApplyAction.NOCP, bar_id=1),
            CreateFar(
                2,
                ApplyAction.FORW,
                ForwardingParameters(Interface.CORE, _DNN, destination_interface_type=InterfaceType.N6),
            ),
            CreateFar(3, ApplyAction.FORW, ForwardingParameters(Interface.CP_FUNCTION, None, _to_smf(number))),
        ),
        create_urrs=(CreateUrr(1, MeasurementMethod.VOLUM, ReportingTriggers.VOLTH, Volume(100 << 20)),),
        create_qers=(CreateQer(1, mbr_uplink_kbps=100_000, mbr_downlink_kbps=200_000, qfi=1),),
        create_bars=(CreateBar(1),),
        pdn_type=PdnType.IPV4,
        apn_dnn=_DNN,
        snssai=(1, None),
        user_id=UserId(f"{1_010_000_000_000 + number:015d}"),
    )


def _to_smf(number: int) -> OuterHeaderCreation:
    return OuterHeaderCreation(_GTPU, number + 1, _SMF)


def _downlink(number: int) -> CreatePdr:
    pdi = Pdi(
        Interface.CORE,
        network_instance=_DNN,
        ue_ip_address=UeIpAddress(IPv4Address(0x0A2D0002 + number), is_destination=True),
        source_interface_type=InterfaceType.N6,
    )
    return CreatePdr(1, 65535, pdi, 1, urr_ids=(1,), qer_ids=(1,))


def _from_access(qfis: tuple[int, ...] = (), filters: tuple[SdfFilter, ...] = ()) -> Pdi:
    return Pdi(Interface.ACCESS, _CHOSEN, _DNN, None, filters, qfis, InterfaceType.N3_3GPP_ACCESS)


_FROM_SMF = Pdi(Interface.CP_FUNCTION, FTeid(choose=True, choose_ipv4=True, choose_ipv6=True))
_SHARED_PDRS = (
    CreatePdr(2, 65535, _from_access((1,)), 2, OuterHeaderRemoval.GTPU_UDP_IP, qer_ids=(1,)),
    CreatePdr(3, 255, _FROM_SMF, 1, OuterHeaderRemoval.GTPU_UDP_IP),
    CreatePdr(4, 255, _from_access(filters=(_ROUTER_ADVERTISEMENTS,)), 3, OuterHeaderRemoval.GTPU_UDP_IP),
)
