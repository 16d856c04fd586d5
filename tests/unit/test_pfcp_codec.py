"""PFCP messages to bytes and back, against pycrate's dissection of whole messages, and what malformed ones raise."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, cast, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_stub.errors import LocalProtocolError, RemoteProtocolError
from core_stub.pfcp import codec, ies
from core_stub.pfcp.codec import framing, reference
from core_stub.pfcp.codec.framing import Header, ie_bounds, pack_ie
from core_stub.pfcp.codec.groups import GROUPS
from core_stub.pfcp.codec.layout import Layout
from core_stub.pfcp.codec.layouts import MESSAGES
from core_stub.pfcp.codec.leaves import LEAVES
from core_stub.pfcp.codec.tables import ie_reader, ie_writer
from core_stub.pfcp.ies import (
    ApplyAction,
    Cause,
    CreateQer,
    FSeid,
    FTeid,
    IeType,
    InterfaceType,
    NodeId,
    NodeReportType,
    SdfFilter,
)
from core_stub.pfcp.messages import (
    SESSION_TYPES,
    HeartbeatRequest,
    Message,
    NodeReportRequest,
    SessionReportResponse,
    SessionRequest,
    SessionResponse,
)
from tests.support.pfcp import establishment, only
from tests.support.pfcp_fuzz import associated_upf, is_refused, mutations, take
from tests.support.pfcp_samples import SAMPLES, UNREADABLE_TO_PYCRATE, UPLINK_PDR

FUZZ_INPUTS = 6000


def name(message: Message) -> str:
    return type(message).__name__


@pytest.mark.parametrize("message", SAMPLES, ids=name)
def test_every_message_survives_the_round_trip(message: Message) -> None:
    assert only(codec.encode(message, 0x123456)) == message


@pytest.mark.parametrize("message", [m for m in SAMPLES if m not in UNREADABLE_TO_PYCRATE], ids=name)
def test_pycrate_reads_whole_messages_as_we_frame_them(message: Message) -> None:
    datagram = codec.encode(message, 0x123456)
    dissected = reference.parse(datagram)
    assert dissected["Hdr"]["SeqNum"].get_val() == 0x123456
    assert dissected.to_bytes() == datagram


def rows(octets: bytes, owner: int) -> Iterator[tuple[int, int]]:
    """Which IE is in which message or group."""
    for ie, begin, end in ie_bounds(octets):
        yield owner, ie
        if ie in GROUPS:
            yield from rows(octets[begin:end], ie)


def test_the_samples_have_every_row_of_every_table() -> None:
    assert {type(message) for message in SAMPLES} == set(get_args(Message))
    found: set[tuple[int, int]] = set()
    for message in SAMPLES:
        (frame,) = codec.frames(codec.encode(message, 1))
        found.update(rows(frame.body, -message.message_type))
    known = {(-kind, row.ie) for kind, layout in MESSAGES.items() for row in layout.fields}
    known |= {(ie, row.ie) for ie, layout in GROUPS.items() for row in layout.fields}
    assert found == known


def test_every_ie_is_a_group_or_a_leaf_and_every_message_has_a_table() -> None:
    assert set(IeType) == set(LEAVES) | set(GROUPS)
    assert not set(LEAVES) & set(GROUPS)
    assert {message.message_type for message in get_args(Message)} == set(MESSAGES)


def test_every_attribute_of_every_value_has_a_row() -> None:
    for layout in (*MESSAGES.values(), *GROUPS.values()):
        if layout.build is None:
            continue
        own = {name for row in layout.fields for name in row.attributes}
        others = ({"removed"} if layout.removable else set()) | (
            {"seid"} if layout.build in SESSION_MESSAGES else set()
        )
        every = {field.name for field in fields(cast(Any, layout.build))}
        assert own | others <= every
        assert every - own - others <= ONLY_ELSEWHERE.get(layout.build, set())


SESSION_MESSAGES = (*get_args(SessionRequest), *get_args(SessionResponse))
ONLY_ELSEWHERE: dict[Any, set[str]] = {
    ies.ForwardingParameters: {"removed", "send_end_marker"},
    ies.DuplicatingParameters: {"removed"},
    ies.UpdateBar: {"buffering_duration", "buffering_suggested_packets"},
    ies.UsageReport: {"application", "ue_ip_address", "query_urr_reference"},
}
"""Attributes of values that belong to several tables, and not to all of these."""


PYCRATE_MISTAKES = {IeType.USAGE_REPORT_REPORT}
"""pycrate 0.8.1 has the table of another IE here."""


@pytest.mark.parametrize("ie", sorted(GROUPS.keys() - PYCRATE_MISTAKES), ids=lambda ie: ie.name)
def test_what_we_require_in_a_group_is_what_pycrate_calls_mandatory(ie: IeType) -> None:
    assert required(GROUPS[ie]) == reference.mandatory_in_group(ie)


@pytest.mark.parametrize("message_type", MESSAGES)
def test_what_we_require_in_a_message_is_what_pycrate_calls_mandatory(message_type: int) -> None:
    assert required(MESSAGES[message_type]) == reference.mandatory_in_message(message_type)


def required(layout: Layout) -> set[int]:
    return {row.ie for row in layout.fields if row.required}


def test_an_apply_action_of_one_octet_is_understood_and_two_are_sent() -> None:
    assert LEAVES[IeType.APPLY_ACTION].decode(b"\x0c") == ApplyAction.BUFF | ApplyAction.NOCP
    assert LEAVES[IeType.APPLY_ACTION].encode(ApplyAction.FORW) == b"\x02\x00"


def test_an_unknown_cause_still_says_accepted_or_rejected() -> None:
    assert LEAVES[IeType.CAUSE].decode(b"\x05") is Cause.REQUEST_ACCEPTED
    assert LEAVES[IeType.CAUSE].decode(b"\xf0") is Cause.REQUEST_REJECTED


def test_an_interface_of_a_later_release_is_as_good_as_none() -> None:
    assert LEAVES[IeType.INTERFACE_TYPE].decode(b"\x0b") is InterfaceType.N3_3GPP_ACCESS
    assert LEAVES[IeType.INTERFACE_TYPE].decode(b"\x3e") is None


def test_a_network_instance_may_be_the_plain_name() -> None:
    assert LEAVES[IeType.NETWORK_INSTANCE].decode(b"internet") == "internet"


def test_several_messages_in_one_datagram() -> None:
    first, second = bytearray(codec.encode(SAMPLES[0], 1)), codec.encode(SAMPLES[8], 2)
    first[0] |= 0x04
    found = list(codec.frames(bytes(first) + second))
    assert [frame.header.sequence for frame in found] == [1, 2]
    assert [codec.decode(frame) for frame in found] == [SAMPLES[0], SAMPLES[8]]


def test_the_priority_of_a_message_is_read() -> None:
    datagram = bytearray(codec.encode(SAMPLES[0], 1))
    datagram[0] |= 0x02
    datagram[7] = 0xA0
    (frame,) = codec.frames(bytes(datagram))
    assert frame.header.priority == 10
    assert codec.decode(frame) == SAMPLES[0]


def test_unknown_ies_of_the_standard_and_of_vendors_are_ignored() -> None:
    message = SessionReportResponse(7, Cause.REQUEST_ACCEPTED)
    assert only(with_ies(message, pack_ie(60000, b"\x00\x0avendor"), pack_ie(9999, b"x"))) == message


def test_the_first_of_a_repeated_ie_counts() -> None:
    message = SessionReportResponse(7, Cause.REQUEST_ACCEPTED)
    assert only(with_ies(message, pack_ie(IeType.CAUSE, b"\x40"))) == message


def with_ies(message: Message, *ies: bytes) -> bytes:
    octets = codec.encode(message, 1) + b"".join(ies)
    return octets[:2] + (len(octets) - 4).to_bytes(2) + octets[4:]


def without(message: Message, ie: IeType) -> bytes:
    """The message as it is sent by somebody who forgets an IE, in a group if it is there."""
    body = bytes(next(codec.frames(codec.encode(message, 1))).body)
    kept = strip(body, ie)
    header = codec.encode(message, 1)[: -len(body)]
    return header[:2] + (len(header) - 4 + len(kept)).to_bytes(2) + header[4:] + kept


def strip(body: bytes, ie: IeType) -> bytes:
    kept, at = b"", 0
    while at < len(body):
        kind, size = int.from_bytes(body[at : at + 2]), int.from_bytes(body[at + 2 : at + 4])
        value = body[at + 4 : at + 4 + size]
        if kind != ie:
            kept += pack_ie(kind, strip(value, ie) if kind in GROUPS else value)
        at += 4 + size
    return kept


@pytest.mark.parametrize(
    "ie",
    [IeType.NODE_ID, IeType.F_SEID, IeType.CREATE_PDR, IeType.PDI, IeType.SOURCE_INTERFACE, IeType.APPLY_ACTION],
    ids=lambda ie: ie.name,
)
def test_a_mandatory_ie_that_is_missing_is_named(ie: IeType) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        only(without(establishment(1), ie))
    assert (raised.value.cause, raised.value.offending_ie) == (Cause.MANDATORY_IE_MISSING, ie)


@pytest.mark.parametrize(
    ("ie", "value", "cause"),
    [
        (IeType.NODE_ID, b"\x07\x01", Cause.MANDATORY_IE_INCORRECT),
        (IeType.NODE_ID, b"\x00\x01", Cause.INVALID_LENGTH),
        (IeType.NODE_ID, b"\x02\xff", Cause.MANDATORY_IE_INCORRECT),
        (IeType.F_SEID, bytes(9), Cause.MANDATORY_IE_INCORRECT),
        (IeType.PDN_TYPE, b"\x07", Cause.MANDATORY_IE_INCORRECT),
        (IeType.PDN_TYPE, b"", Cause.INVALID_LENGTH),
        (IeType.APN_DNN, b"\x40abc", Cause.MANDATORY_IE_INCORRECT),
        (IeType.CREATE_PDR, pack_ie(IeType.PDR_ID, b"\x01"), Cause.INVALID_LENGTH),
    ],
)
def test_a_malformed_ie_is_named(ie: IeType, value: bytes, cause: Cause) -> None:
    message = replace(establishment(1), pdn_type=None, apn_dnn=None)
    with pytest.raises(RemoteProtocolError) as raised:
        only(with_ies_first(message, pack_ie(ie, value)))
    assert raised.value.cause is cause
    assert raised.value.offending_ie in {ie, IeType.PDR_ID}


def with_ies_first(message: Message, ie: bytes) -> bytes:
    octets = codec.encode(message, 1)
    octets = octets[:16] + ie + octets[16:]
    return octets[:2] + (len(octets) - 4).to_bytes(2) + octets[4:]


def test_a_filter_by_traffic_class_is_read() -> None:
    assert LEAVES[IeType.SDF_FILTER].decode(b"\x02\x00\x10\xfc") == SdfFilter(traffic_class=0x10FC)


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_message_cut_short_is_a_wrong_length(cut: int) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        only(codec.encode(establishment(1), 1)[:-cut])
    assert raised.value.cause is Cause.INVALID_LENGTH


def test_what_has_no_room_for_a_header_is_a_wrong_length() -> None:
    for octets in (b"", b"\x20", bytes(7), codec.encode(establishment(1), 1)[:15]):
        with pytest.raises(RemoteProtocolError):
            list(codec.frames(octets))


def test_a_session_message_without_seid_is_rejected() -> None:
    with pytest.raises(RemoteProtocolError):
        only(b"\x20\x36\x00\x04\x00\x00\x01\x00")


@pytest.mark.parametrize(
    "message",
    [
        HeartbeatRequest(1 << 32),
        replace(establishment(1), create_pdrs=()),
        replace(establishment(1), cp_f_seid=FSeid(1)),
        replace(establishment(1), create_pdrs=(replace(UPLINK_PDR, pdr_id=1 << 16),)),
        replace(establishment(1), create_qers=(CreateQer(1, mbr_uplink_kbps=5),)),
        replace(establishment(1), node_id=NodeId("")),
    ],
    ids=["time stamp", "no PDR", "no address", "PDR ID", "half an MBR", "no name"],
)
def test_what_does_not_fit_is_our_fault(message: Message) -> None:
    with pytest.raises(LocalProtocolError):
        codec.encode(message, 1)


def test_an_f_teid_is_chosen_for_some_kind_of_address() -> None:
    pdr = replace(UPLINK_PDR, pdi=replace(UPLINK_PDR.pdi, f_teid=FTeid(choose=True)))
    with pytest.raises(LocalProtocolError, match="choose_ipv4"):
        codec.encode(replace(establishment(1), create_pdrs=(pdr,)), 1)


def test_a_gtpu_peer_has_an_address() -> None:
    nobody = pack_ie(IeType.USER_PLANE_PATH_FAILURE_REPORT, pack_ie(IeType.REMOTE_GTP_U_PEER, b"\0"))
    with pytest.raises(RemoteProtocolError) as raised:
        only(with_ies(NodeReportRequest(NodeId("upf"), NodeReportType.UPFR), nobody))
    assert (raised.value.cause, raised.value.offending_ie) == (Cause.MANDATORY_IE_INCORRECT, IeType.REMOTE_GTP_U_PEER)


def test_mutations_raise_nothing_but_remote_protocol_errors() -> None:
    refused = sum(map(is_refused, mutations(FUZZ_INPUTS, seed=1)))
    assert 0 < refused < FUZZ_INPUTS


def test_an_endpoint_takes_any_mutation(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")
    upf = associated_upf()
    for number, octets in enumerate(mutations(FUZZ_INPUTS // 4, seed=2)):
        take(upf, octets, now=number * 0.01)


@given(st.binary(max_size=200), st.sampled_from([1, 5, 7, 12, 50, 52, 56]))
@settings(max_examples=200, deadline=None)
def test_any_octets_behind_a_header_are_a_message_or_refused(body: bytes, message_type: int) -> None:
    seid = 1 if message_type in SESSION_TYPES else None
    is_refused(framing.message(Header(codec.VERSION, message_type, 1, seid, None), body))


@pytest.mark.parametrize(
    ("ie", "refused"),
    [(IeType.CREATE_PDR, True), (IeType.UPDATE_FAR, True), (IeType.PDI, False), (IeType.PFD_CONTEXT, False)],
)
def test_groups_in_groups_in_groups_are_read_no_deeper_than_the_tables_say(ie: IeType, refused: bool) -> None:
    bomb = b""
    while len(bomb) < 65000:
        bomb = pack_ie(ie, bomb)
    assert is_refused(framing.message(Header(codec.VERSION, 52, 1, 1, None), bomb)) is refused


@pytest.mark.parametrize("length", [6, 0x7FFF, 0xFFFF])
def test_lengths_that_reach_beyond_what_holds_them_are_refused_at_every_depth(length: int) -> None:
    pdi = b"\x00\x02" + length.to_bytes(2) + pack_ie(IeType.SOURCE_INTERFACE, b"\x00")
    pdr = pack_ie(IeType.CREATE_PDR, pack_ie(IeType.PDR_ID, b"\x00\x01") + pdi)
    for body in (pdi, pdr):
        with pytest.raises(RemoteProtocolError) as raised:
            only(framing.message(Header(codec.VERSION, 52, 1, 1, None), body))
        assert (raised.value.cause, raised.value.offending_ie) == (Cause.INVALID_LENGTH, IeType.PDI)


def test_the_largest_datagram_of_many_messages_is_read_to_its_end() -> None:
    heartbeat = bytearray(codec.encode(HeartbeatRequest(1), 1))
    heartbeat[0] |= 0x04
    many = bytes(heartbeat) * 4000 + codec.encode(HeartbeatRequest(2), 1)
    assert len(list(codec.frames(many))) == 4001


@pytest.mark.parametrize("ie", LEAVES, ids=lambda ie: ie.name)
def test_any_octets_are_a_value_that_we_could_send_or_an_error(ie: IeType) -> None:
    rng = random.Random(int(ie))
    read, write = ie_reader(ie), ie_writer(ie)
    for _ in range(60):
        octets = bytes([rng.randrange(16)]) + rng.randbytes(rng.randrange(24))
        try:
            value = read(octets)
        except RemoteProtocolError as error:
            assert error.offending_ie == ie
        else:
            assert read(write(value)[4:]) == value
