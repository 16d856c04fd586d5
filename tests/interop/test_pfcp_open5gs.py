"""Every PFCP message that Open5GS put on N4 is read as what Open5GS meant, and tshark reads ours alike."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from core_stub.pfcp import codec
from core_stub.pfcp.codec.framing import ie_bounds
from core_stub.pfcp.codec.groups import GROUPS
from core_stub.pfcp.ies import (
    ApplyAction,
    Cause,
    CpFeatures,
    CreateBar,
    CreatedPdr,
    CreateFar,
    CreatePdr,
    CreateQer,
    CreateUrr,
    DownlinkDataReport,
    DownlinkDataServiceInformation,
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
    ReportType,
    SdfFilter,
    UeIpAddress,
    UpdateFar,
    UpFeatures,
    UsageReport,
    UsageReportTrigger,
    UserId,
    Volume,
    VolumeMeasurement,
)
from core_stub.pfcp.messages import (
    AssociationSetupRequest,
    AssociationSetupResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    Message,
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentRequest,
    SessionEstablishmentResponse,
    SessionModificationRequest,
    SessionModificationResponse,
    SessionReportRequest,
    SessionReportResponse,
)
from testbed.bench.pfcp_codec import establishment
from tests.support.pfcp import dissect, udp_payloads

pytestmark = pytest.mark.interop

CAPTURES = Path(__file__).parent / "open5gs"
SMF, UPF, UPF_N3, GNB = (IPv4Address(ip) for ip in ("10.250.0.1", "10.250.0.2", "10.251.0.2", "10.251.0.1"))
GTPU = OuterHeaderCreationDescription.GTPU_UDP_IPV4
CHOSEN = FTeid(choose=True, choose_id=5, choose_ipv4=True, choose_ipv6=True)

COUNTS = {
    "smfd277-fakecore-upfd-head": 16,
    "smfd277-noftup": 12,
    "upfd-head-urr-report": 20,
    "upfd277-drive": 21,
}


def frames(capture: str) -> list[codec.Frame]:
    return [frame for data in udp_payloads(CAPTURES / f"{capture}.pcap") for frame in codec.frames(data)]


def messages(capture: str) -> list[Message]:
    return [codec.decode(frame) for frame in frames(capture)]


@pytest.mark.parametrize("capture", COUNTS)
def test_every_message_is_read_and_survives_being_written(capture: str) -> None:
    found = frames(capture)
    assert len(found) == COUNTS[capture]
    for frame in found:
        message = codec.decode(frame)
        (again,) = codec.frames(codec.encode(message, frame.header.sequence))
        assert again.header == frame.header
        assert codec.decode(again) == message


WRITTEN_IN_ANOTHER_ORDER = 3
"""Messages whose IEs Open5GS sends in another order than that of the tables."""


def test_messages_are_written_as_open5gs_writes_them() -> None:
    differing = 0
    for frame in (frame for capture in COUNTS for frame in frames(capture)):
        again = codec.encode(codec.decode(frame), frame.header.sequence, frame.header.priority)
        assert in_order(again[-len(frame.body) :]) == in_order(frame.body) or not frame.body
        differing += again != frame.octets
    assert differing == WRITTEN_IN_ANOTHER_ORDER


def in_order(octets: bytes) -> list[object]:
    """The IEs of a message or group, sorted."""
    found = (
        (ie, in_order(octets[begin:end]) if ie in GROUPS else octets[begin:end]) for ie, begin, end in ie_bounds(octets)
    )
    return sorted(found, key=repr)


def test_the_captures_hold_every_message_that_open5gs_sends() -> None:
    assert {type(message) for capture in COUNTS for message in messages(capture)} == {
        HeartbeatRequest,
        HeartbeatResponse,
        AssociationSetupRequest,
        AssociationSetupResponse,
        SessionEstablishmentRequest,
        SessionEstablishmentResponse,
        SessionModificationRequest,
        SessionModificationResponse,
        SessionDeletionRequest,
        SessionDeletionResponse,
        SessionReportRequest,
        SessionReportResponse,
    }


def test_its_smf_establishes_a_session_with_f_teids_to_choose() -> None:
    (request,) = (m for m in messages("smfd277-fakecore-upfd-head") if isinstance(m, SessionEstablishmentRequest))
    assert request == SessionEstablishmentRequest(
        seid=0,
        node_id=NodeId(SMF),
        cp_f_seid=FSeid(0xBD, SMF),
        create_pdrs=(
            CreatePdr(
                pdr_id=1,
                precedence=65535,
                pdi=Pdi(
                    Interface.CORE,
                    network_instance="internet",
                    ue_ip_address=UeIpAddress(IPv4Address("10.45.0.2"), is_destination=True),
                    source_interface_type=InterfaceType.N6,
                ),
                far_id=1,
                urr_ids=(1,),
                qer_ids=(1,),
            ),
            CreatePdr(
                pdr_id=2,
                precedence=65535,
                pdi=Pdi(
                    Interface.ACCESS,
                    f_teid=CHOSEN,
                    network_instance="internet",
                    qfis=(1,),
                    source_interface_type=InterfaceType.N3_3GPP_ACCESS,
                ),
                far_id=2,
                outer_header_removal=OuterHeaderRemoval.GTPU_UDP_IP,
                qer_ids=(1,),
            ),
            CreatePdr(
                pdr_id=3,
                precedence=255,
                pdi=Pdi(Interface.CP_FUNCTION, f_teid=FTeid(choose=True, choose_ipv4=True, choose_ipv6=True)),
                far_id=1,
                outer_header_removal=OuterHeaderRemoval.GTPU_UDP_IP,
            ),
            CreatePdr(
                pdr_id=4,
                precedence=255,
                pdi=Pdi(
                    Interface.ACCESS,
                    f_teid=CHOSEN,
                    network_instance="internet",
                    sdf_filters=(SdfFilter("permit out 58 from ff02::2/128 to assigned"),),
                    source_interface_type=InterfaceType.N3_3GPP_ACCESS,
                ),
                far_id=3,
                outer_header_removal=OuterHeaderRemoval.GTPU_UDP_IP,
            ),
        ),
        create_fars=(
            CreateFar(1, ApplyAction.BUFF | ApplyAction.NOCP, bar_id=1),
            CreateFar(
                2,
                ApplyAction.FORW,
                ForwardingParameters(Interface.CORE, "internet", destination_interface_type=InterfaceType.N6),
            ),
            CreateFar(
                3,
                ApplyAction.FORW,
                ForwardingParameters(
                    Interface.CP_FUNCTION, outer_header_creation=OuterHeaderCreation(GTPU, 1, SMF)
                ),
            ),
        ),
        create_urrs=(CreateUrr(1, MeasurementMethod.VOLUM, ReportingTriggers.VOLTH, Volume(100 << 20)),),
        create_qers=(CreateQer(1, mbr_uplink_kbps=100_000, mbr_downlink_kbps=200_000, qfi=1),),
        create_bars=(CreateBar(1),),
        pdn_type=PdnType.IPV4,
        apn_dnn="internet",
        snssai=(1, None),
        user_id=UserId("001010000000001", "4370816125816151"),
    )  # fmt: skip


EXPECTED: dict[str, list[Message]] = {
    "smfd277-fakecore-upfd-head": [
        AssociationSetupRequest(NodeId(SMF), 4004387010, cp_features=CpFeatures(0)),
        AssociationSetupResponse(
            NodeId(UPF),
            Cause.REQUEST_ACCEPTED,
            4004386167,
            UpFeatures.FTUP | UpFeatures.EMPU | UpFeatures.FRRT | UpFeatures.MNOP | UpFeatures.VTIME,
        ),
        HeartbeatRequest(4004386167),
        SessionEstablishmentResponse(
            0xBD,
            NodeId(UPF),
            Cause.REQUEST_ACCEPTED,
            up_f_seid=FSeid(177, UPF),
            created_pdrs=(
                CreatedPdr(2, FTeid(2669, UPF_N3)),
                CreatedPdr(3, FTeid(1461, UPF_N3)),
                CreatedPdr(4, FTeid(2669, UPF_N3)),
            ),
        ),
        SessionModificationRequest(
            177,
            update_fars=(
                UpdateFar(
                    1,
                    ApplyAction.FORW,
                    ForwardingParameters(
                        Interface.ACCESS,
                        "internet",
                        OuterHeaderCreation(GTPU, 2748, GNB),
                        InterfaceType.N3_3GPP_ACCESS,
                    ),
                ),
            ),
        ),
        SessionModificationRequest(
            177, update_fars=(UpdateFar(1, ApplyAction.BUFF | ApplyAction.NOCP, bar_id=1),)
        ),
        SessionModificationResponse(0xBD, Cause.REQUEST_ACCEPTED),
        SessionDeletionRequest(177),
        SessionDeletionResponse(
            0xBD,
            Cause.REQUEST_ACCEPTED,
            usage_reports=(
                UsageReport(
                    1,
                    0,
                    UsageReportTrigger.TERMR,
                    VolumeMeasurement(*[0] * 6),
                    duration=1795398218,
                    end_time=4004387017,
                    time_of_first_packet=2208988800,
                    time_of_last_packet=2208988800,
                ),
            ),
        ),
    ],
    "smfd277-noftup": [
        AssociationSetupResponse(NodeId(IPv4Address("10.250.0.3")), Cause.REQUEST_ACCEPTED, 4004387076, UpFeatures(0)),
        SessionEstablishmentResponse(
            218,
            NodeId(IPv4Address("10.250.0.3")),
            Cause.REQUEST_ACCEPTED,
            up_f_seid=FSeid(20698, IPv4Address("10.250.0.3")),
        ),
    ],
    "upfd-head-urr-report": [
        SessionReportRequest(
            0x1122334455667788,
            ReportType.DLDR,
            DownlinkDataReport((1,), (DownlinkDataServiceInformation(qfi=1),)),
        ),
        SessionReportRequest(
            0x1122334455667788,
            ReportType.USAR,
            usage_reports=(
                UsageReport(
                    1,
                    0,
                    UsageReportTrigger.VOLTH,
                    VolumeMeasurement(1047, 520, 527, 8, 4, 4),
                    duration=1795399214,
                    end_time=4004388014,
                    time_of_first_packet=4004388010,
                    time_of_last_packet=4004388014,
                ),
            ),
        ),
        SessionReportResponse(160, Cause.REQUEST_ACCEPTED),
    ],
    "upfd277-drive": [
        HeartbeatResponse(4004387569),
        SessionModificationRequest(
            0xDEAD, update_fars=(UpdateFar(1, ApplyAction.BUFF | ApplyAction.NOCP),)
        ),
        SessionModificationResponse(0, Cause.SESSION_CONTEXT_NOT_FOUND),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("capture", "expected"),
    [(capture, message) for capture, expected in EXPECTED.items() for message in expected],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_messages_are_read_as_they_were_meant(capture: str, expected: Message) -> None:
    assert expected in messages(capture)


def test_the_benchmark_measures_what_its_smf_sends() -> None:
    (request,) = (m for m in messages("smfd277-fakecore-upfd-head") if isinstance(m, SessionEstablishmentRequest))
    ours = establishment(0)
    (first, *others), (ours_first, *ours_others) = request.create_pdrs, ours.create_pdrs
    same_ids = replace(ours, cp_f_seid=request.cp_f_seid, user_id=request.user_id, create_pdrs=request.create_pdrs)
    assert same_ids == request
    assert (ours_others, replace(ours_first, pdi=first.pdi)) == (others, first)


def test_its_smf_chooses_f_teids_itself_without_ftup() -> None:
    (request,) = (m for m in messages("smfd277-noftup") if isinstance(m, SessionEstablishmentRequest))
    chosen = [pdr.pdi.f_teid for pdr in request.create_pdrs]
    n4 = IPv4Address("10.250.0.3")
    assert chosen == [None, FTeid(2524, n4), FTeid(513, n4), FTeid(2524, n4)]


LENGTHS = {"pfcp.length", "pfcp.ie_len"}
"""These differ where Open5GS sends IEs that we do not model."""


@pytest.mark.parametrize("capture", COUNTS)
def test_tshark_reads_nothing_in_what_we_write_that_open5gs_did_not_write(capture: str, tmp_path: Path) -> None:
    found = frames(capture)
    original = dissect(tmp_path / "original.pcap", (frame.octets for frame in found))
    ours = dissect(
        tmp_path / "ours.pcap", (codec.encode(codec.decode(frame), frame.header.sequence) for frame in found)
    )  # fmt: skip
    assert len(ours) == len(original) == COUNTS[capture]
    for written, read in zip(ours, original, strict=True):
        added = {field: count for field, count in (written - read).items() if field[0] not in LENGTHS}
        assert added == {}
