"""GTP-U (TS 29.281): exact octets out, tolerance and refusal in."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_stub.gtpu import (
    EchoRequest,
    EchoResponse,
    Encapsulator,
    EndMarker,
    ErrorIndication,
    GPdu,
    GtpuError,
    PduType,
    Tunnel,
    decapsulate,
    echo_request,
    echo_response,
    encapsulate,
    end_marker,
    error_indication,
)


def test_an_uplink_g_pdu_has_a_pdu_session_container_of_type_1() -> None:
    datagram = encapsulate(b"\x45abc", teid=0x01020304, qfi=9, pdu_type=PduType.UPLINK)
    assert datagram.hex() == "34ff000c01020304" + "00000085" + "01100900" + "45616263"


def test_a_downlink_g_pdu_has_a_pdu_session_container_of_type_0() -> None:
    assert encapsulate(b"", teid=1, qfi=63, pdu_type=PduType.DOWNLINK)[12:] == bytes.fromhex("01003f00")


def test_without_a_qfi_there_is_no_extension_header() -> None:
    assert encapsulate(b"xy", teid=7, qfi=None, pdu_type=PduType.UPLINK).hex() == "30ff000200000007" + "7879"


@given(st.integers(1, 2**32 - 1), st.none() | st.integers(0, 63), st.sampled_from(PduType), st.binary(max_size=2000))
def test_what_goes_into_a_tunnel_comes_out(teid: int, qfi: int | None, pdu_type: PduType, packet: bytes) -> None:
    assert decapsulate(Encapsulator(teid, qfi, pdu_type)(packet)) == GPdu(teid, packet, qfi)


def test_sequence_and_n_pdu_numbers_are_skipped() -> None:
    assert decapsulate(bytes.fromhex("33ff000600000005" + "12345600" + "aabb")) == GPdu(5, b"\xaa\xbb", None)


def test_other_extension_headers_are_skipped() -> None:
    # A PDCP PDU number (0xc0), a long one of 8 octets (0x20), then the container.
    headers = "000000c0" + "01123420" + "0211223344556685" + "01000500"
    assert decapsulate(bytes.fromhex("34ff001500000005" + headers + "ff")) == GPdu(5, b"\xff", 5)


def test_octets_behind_the_length_are_not_payload() -> None:
    assert decapsulate(bytes.fromhex("30ff000100000005" + "aa" + "0000")) == GPdu(5, b"\xaa", None)


@pytest.mark.parametrize(
    "datagram",
    [
        "",
        "30ff0001000000",
        "50ff000000000001",  # version 2
        "20ff000000000001",  # GTP'
        "30ff000200000001aa",  # length beyond the end
        "34ff000200000001aabb",  # E without its four octets
        "34ff000400000001" + "00000085",  # an extension header that is not there
        "34ff000800000001" + "00000085" + "00000000",  # of length 0
        "34ff000800000001" + "00000085" + "02000000",  # longer than the rest
        "3063000000000001",  # an unknown message type
        "321a000400000000" + "00010000",  # an error indication with nothing in it
    ],
)
def test_malformed_datagrams_are_refused(datagram: str) -> None:
    with pytest.raises(GtpuError):
        decapsulate(bytes.fromhex(datagram))


@given(st.binary(max_size=64))
def test_nothing_but_gtpu_error_escapes(datagram: bytes) -> None:
    try:
        decapsulate(b"\x34\xff" + datagram)
    except GtpuError:
        return


def test_echo_keeps_its_sequence_number() -> None:
    assert decapsulate(echo_request(0xBEEF)) == EchoRequest(0xBEEF)
    assert echo_response(0xBEEF).hex() == "3202000600000000" + "beef0000" + "0e00"
    assert decapsulate(echo_response(0xBEEF)) == EchoResponse(0xBEEF)


@pytest.mark.parametrize("address", [IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")])
def test_an_error_indication_names_the_tunnel(address: IPv4Address | IPv6Address) -> None:
    assert decapsulate(error_indication(77, address)) == ErrorIndication(77, address)


def test_an_end_marker_looks_like_the_g_pdus_before_it() -> None:
    tunnel = Tunnel(IPv4Address("192.0.2.1"), 5, 1, PduType.DOWNLINK)
    assert end_marker(tunnel).hex() == "34fe000800000005" + "00000085" + "01000100"
    assert decapsulate(end_marker(tunnel)) == EndMarker(5)
