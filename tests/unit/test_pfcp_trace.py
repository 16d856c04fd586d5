"""What a listener on N4 makes of the datagrams that it sees."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core_stub.pfcp import codec
from core_stub.pfcp.messages import HeartbeatRequest, HeartbeatResponse, Message
from core_stub.pfcp.trace import Traced, Tracer, as_json, ie_lines
from tests.support.pfcp import SMF, UPF, establishment
from tests.support.pfcp_samples import SAMPLES, UPLINK_PDR

PING, PONG = HeartbeatRequest(10), HeartbeatResponse(20)


def take(tracer: Tracer, message: Message, sequence: int, t: float, *, back: bool = False) -> Traced:
    ends = (UPF, SMF) if back else (SMF, UPF)
    (traced,) = tracer.take(codec.encode(message, sequence), *ends, t)
    return traced


def test_a_response_says_how_long_its_request_has_waited_since_it_was_first_sent() -> None:
    tracer = Tracer()
    assert take(tracer, PING, 7, 1.0).took_ms is None
    again = take(tracer, PING, 7, 3.5)
    assert (again.is_repeated, again.name, again.seid) == (True, "Heartbeat Request", None)
    answer = take(tracer, PONG, 7, 3.75, back=True)
    assert answer.took_ms == pytest.approx(2750) and not answer.is_repeated
    assert take(tracer, PONG, 7, 4.0, back=True).is_repeated


def test_requests_of_both_sides_may_have_the_same_sequence_number() -> None:
    tracer = Tracer()
    take(tracer, PING, 7, 1.0)
    assert not take(tracer, PING, 7, 2.0, back=True).is_repeated
    assert take(tracer, PONG, 7, 2.5, back=True).took_ms == pytest.approx(1500)
    assert take(tracer, PONG, 7, 2.5).took_ms == pytest.approx(500)


def test_an_answer_without_its_request_has_no_time() -> None:
    assert take(Tracer(), PONG, 8, 1.0).took_ms is None


def test_several_messages_of_one_datagram() -> None:
    first = bytearray(codec.encode(PING, 1))
    first[0] |= 0x04  # §7.2.2.2, follow on
    traced = list(Tracer().take(bytes(first) + codec.encode(PONG, 2), SMF, UPF, 0.0))
    assert [(each.name, each.sequence) for each in traced] == [("Heartbeat Request", 1), ("Heartbeat Response", 2)]


def test_what_cannot_be_decoded_is_shown_with_the_reason() -> None:
    headless = codec.encode(PING, 1)[:8]
    (traced,) = Tracer().take(b"\x20\x01\x00\x04" + headless[4:], SMF, UPF, 0.0)
    assert (traced.name, traced.message) == ("message type 1", None)
    assert "RECOVERY_TIME_STAMP is missing" in traced.problem
    (garbage,) = Tracer().take(b"\x20", SMF, UPF, 0.0)
    assert garbage.name == "no PFCP message" and garbage.problem


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__)
def test_every_message_is_text_and_json(message: Message) -> None:
    traced = take(Tracer(), message, 1, 0.0)
    assert all("\n" not in value and "(" not in value.partition('"')[0] for _, value in ie_lines(message))
    shown = json.loads(json.dumps(as_json(traced)))
    assert (shown["name"], shown["source"], "problem" in shown) == (traced.name, "10.0.0.1:8805", False)


def test_rules_read_as_the_specification_names_them() -> None:
    lines = list(ie_lines(replace(establishment(1), create_pdrs=(UPLINK_PDR,))))
    (rule,) = [value for name, value in lines if name == "create_pdrs"]
    assert rule.startswith("pdr_id 2, precedence 255, pdi {source_interface ACCESS, f_teid {")
    assert '{flow_description "permit out ip from 10.60.0.1 to assigned", bidirectional_id 7' in rule
    assert ("node_id", SMF[0]) in lines and ("cp_f_seid", f"seid 0x1, ipv4 {SMF[0]}") in lines
    assert "qfis 1 9" in rule and "outer_header_removal GTPU_UDP_IP" in rule
