"""What we put on N4 is dissected by scapy, IE by IE, as what we meant: the same tree, and all of it from its fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from scapy.contrib.pfcp import PFCP
from scapy.packet import Raw

from core_stub.pfcp import codec
from core_stub.pfcp.codec.framing import ie_bounds
from core_stub.pfcp.codec.groups import GROUPS
from core_stub.pfcp.ies import IeType
from core_stub.pfcp.messages import Message
from tests.support.pfcp_samples import SAMPLES

pytestmark = pytest.mark.interop

NEWER_THAN_SCAPY = {
    IeType.DATA_NETWORK_ACCESS_IDENTIFIER,
    IeType.NUMBER_OF_REPORTS,
    IeType.PFCPASRSP_FLAGS,
    IeType.PFCPAUREQ_FLAGS,
    IeType.PFCPSEREQ_FLAGS,
    IeType.PFCPSRREQ_FLAGS,
    IeType.QUOTA_VALIDITY_TIME,
    IeType.SESSION_RETENTION_INFORMATION,
    IeType.S_NSSAI,
    IeType.UE_IP_ADDRESS_POOL_IDENTITY,
    IeType.UE_IP_ADDRESS_POOL_INFORMATION,
    IeType.USER_PLANE_PATH_RECOVERY_REPORT,
}
"""IEs of Rel-16, which scapy 2.8 passes over; tshark and pycrate see to them."""
WITH_MORE_THAN_SCAPY_KNOWS = {
    IeType.APPLY_ACTION,
    IeType.CP_FUNCTION_FEATURES,
    IeType.REDIRECT_INFORMATION,
    IeType.REMOTE_GTP_U_PEER,
    IeType.REPORTING_TRIGGERS,
    IeType.UE_IP_ADDRESS,
    IeType.UP_FUNCTION_FEATURES,
    IeType.USAGE_REPORT_TRIGGER,
    IeType.VOLUME_MEASUREMENT,
}
"""IEs that have grown since Rel-15."""
WRITTEN_WRONG_BY_SCAPY = {IeType.REMOTE_GTP_U_PEER, IeType.DL_BUFFERING_SUGGESTED_PACKET_COUNT}
"""IEs that scapy 2.8 reads, and cannot write again."""


def ours(octets: bytes) -> list[Any]:
    """The tree of the IEs of a message: a type, and below it those of a group."""
    return [
        (ie, ours(octets[begin:end]) if ie in GROUPS and ie not in NEWER_THAN_SCAPY else [])
        for ie, begin, end in ie_bounds(octets)
    ]


def removes_something(octets: bytes, *, in_update: bool = False) -> bool:
    """Whether an IE has a null length, which removes what an update is about; scapy ends at such an IE."""
    return any(
        (in_update and begin == end)
        or (ie in GROUPS and removes_something(octets[begin:end], in_update=GROUPS[IeType(ie)].removable))
        for ie, begin, end in ie_bounds(octets)
    )


def scapys(ies: list[Any]) -> list[Any]:
    return [(ie.ietype, scapys(ie.getfieldval("IE_list") if "IE_list" in ie.fields else [])) for ie in ies]


def flat(ies: list[Any]) -> Iterator[Any]:
    """All IEs, of groups too, but for those that scapy ended at."""
    for ie in ies:
        if not isinstance(ie, Raw):
            yield ie
            yield from flat(ie.fields.get("IE_list", []))


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__)
def test_scapy_finds_the_ies_that_we_wrote(message: Message) -> None:
    (frame,) = codec.frames(codec.encode(message, 0x123456))
    dissected = PFCP(frame.octets)
    assert (dissected.version, dissected.message_type, dissected.seq) == (1, message.message_type, 0x123456)
    assert dissected.seid == getattr(message, "seid", None)
    ies = dissected.payload.fields.get("IE_list", [])
    assert {ie.ietype for ie in flat(ies) if type(ie).__name__ == "IE_NotImplemented"} <= NEWER_THAN_SCAPY
    assert {ie.ietype for ie in flat(ies) if ie.fields.get("extra_data")} <= WITH_MORE_THAN_SCAPY_KNOWS
    if not removes_something(frame.body):
        assert scapys(ies) == ours(frame.body)
    if not {ie.ietype for ie in flat(ies)} & WRITTEN_WRONG_BY_SCAPY:
        dissected.clear_cache()
        assert bytes(dissected) == frame.octets


def test_scapy_would_find_something_wrong() -> None:
    octets = bytearray(codec.encode(SAMPLES[0], 1))
    octets[9] = 0x61  # no Recovery Time Stamp
    ies = PFCP(bytes(octets)).payload.fields["IE_list"]
    assert scapys(ies) != ours(next(codec.frames(codec.encode(SAMPLES[0], 1))).body)
