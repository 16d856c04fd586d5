"""What is built for a switch, byte by byte where it matters, and how it is described when a switch refuses it."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest
from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as parser

from controllers import openflow
from controllers.flows import ICMPV6, IPV4, IPV6, AddFlow, FlowChange, Match, Move, Output, RemoveFlows, ReservedPort
from tests.support.flowtable import SWITCH

MAC = "02:00:00:00:00:0a"


def encoded(change: FlowChange) -> bytes:
    message = openflow.message(SWITCH, change)
    message.set_xid(1)
    message.serialize()
    return bytes(message.buf)


def test_add_flow_on_the_wire() -> None:
    flow = AddFlow(1, Match(eth_dst=MAC), actions=(Output(5),), hard_timeout_s=310)
    # OpenFlow 1.3.5 §7.3.4.1: header, cookie and mask, table 1, ADD, timeouts 0 and 310, priority 1, no buffer
    assert encoded(flow).hex(" ", 8) == (
        "040e005800000001 0000000000000000 0000000000000000 0100000001360001 ffffffff00000000 0000000000000000 "
        "0001000e80000606 02000000000a0000 0004001800000000 0000001000000005 0000000000000000"
    )


def test_packets_go_to_the_controller_whole() -> None:
    message = openflow.message(SWITCH, AddFlow(0, Match(), actions=(Output(ReservedPort.CONTROLLER),), goto=1))
    actions, goto = message.instructions
    assert actions.actions[0].max_len == ofp.OFPCML_NO_BUFFER
    assert goto.table_id == 1


def test_a_flow_without_outputs_drops() -> None:
    assert openflow.message(SWITCH, AddFlow(0, Match(in_port=1))).instructions == []


def test_a_switch_tells_of_the_end_of_flows_that_are_watched() -> None:
    flags = [openflow.message(SWITCH, AddFlow(0, Match(), watched=watched)).flags for watched in (True, False)]
    assert flags == [ofp.OFPFF_SEND_FLOW_REM, 0]


@pytest.mark.parametrize(
    ("reason", "somebody"),
    [
        (ofp.OFPRR_IDLE_TIMEOUT, False),
        (ofp.OFPRR_HARD_TIMEOUT, False),
        (ofp.OFPRR_DELETE, True),
        (ofp.OFPRR_GROUP_DELETE, True),
    ],
)
def test_a_flow_that_times_out_was_removed_by_nobody(reason: int, somebody: bool) -> None:
    removal = parser.OFPFlowRemoved(SWITCH, reason=reason)
    assert openflow.removed_by_somebody(removal) is somebody


def test_removal_takes_flows_of_any_port_and_group() -> None:
    message = openflow.message(SWITCH, RemoveFlows(0, Match(eth_src=MAC)))
    assert (message.command, message.out_port, message.out_group) == (ofp.OFPFC_DELETE, ofp.OFPP_ANY, ofp.OFPG_ANY)


@pytest.mark.parametrize(
    ("change", "command"),
    [(AddFlow(1, Match(eth_dst=MAC), actions=(Output(5),)), "add"), (RemoveFlows(1, Match()), "remove")],
)
def test_description_names_table_match_and_command(change: FlowChange, command: str) -> None:
    description = openflow.describe(openflow.message(SWITCH, change))
    assert description["message"] == "OFPFlowMod"
    assert description["command"] == command
    assert description["table"] == 1
    assert description["match"] == ({"eth_dst": MAC} if command == "add" else {})


def test_description_of_another_message_is_its_name() -> None:
    assert openflow.describe(parser.OFPBarrierRequest(SWITCH)) == {"message": "OFPBarrierRequest"}


def test_errors_have_the_names_of_the_specification() -> None:
    error = parser.OFPErrorMsg(SWITCH, type_=ofp.OFPET_BAD_ACTION, code=ofp.OFPBAC_BAD_OUT_PORT, data=b"")
    assert openflow.error_names(error) == ("OFPET_BAD_ACTION(2)", "OFPBAC_BAD_OUT_PORT(4)")


def test_a_move_is_read_by_whichever_name_a_switch_has_for_its_fields() -> None:
    moved = Move("eth_src", "eth_dst", 48)
    for suffix in ("", "_nxm"):
        action = parser.NXActionRegMove(src_field=f"eth_src{suffix}", dst_field=f"eth_dst{suffix}", n_bits=48)
        assert openflow._read_action(action) == moved


@pytest.mark.parametrize(
    "match",
    [
        Match(eth_type=IPV4, ipv4_src=IPv4Network("192.0.2.1/32"), ipv4_dst=IPv4Network("192.0.2.0/24")),
        Match(eth_type=IPV6, ipv6_src=IPv6Network("2001:db8::1/128"), ipv6_dst=IPv6Network("2001:db8:2::/47")),
        Match(eth_type=IPV6, ip_proto=ICMPV6, ip_dscp=46),
    ],
)
def test_addresses_are_read_as_they_were_written(match: Match) -> None:
    octets = encoded(AddFlow(0, match))
    read = parser.OFPFlowMod.parser(SWITCH, ofp.OFP_VERSION, ofp.OFPT_FLOW_MOD, len(octets), 1, octets)
    assert openflow.read_flow(read).match == match


def test_an_address_with_a_mask_that_is_no_prefixs_is_left_as_it_is() -> None:
    odd = (("ipv4_dst", ("10.0.0.1", "255.0.0.255")), ("ipv6_dst", ("::1", "::ff")))
    assert openflow._read_match(parser.OFPMatch(eth_type=IPV4, **dict(odd[:1]))).others == odd[:1]
    assert openflow._read_match(parser.OFPMatch(eth_type=IPV6, **dict(odd[1:]))).others == odd[1:]
