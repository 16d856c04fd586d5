"""What goes to the routers' kernels and comes from them, as text, bytes and values."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network

import pytest

from controllers.kernel import readback
from controllers.kernel.commands import Command, CommandError, Done, NamespaceGoneError, Refused, ip_batch, refused
from controllers.kernel.counters import SidCounters, sid_counters
from controllers.kernel.install import Agenda
from controllers.kernel.prepare import device_lines, steering_script
from controllers.kernel.rtnetlink import LinkNews, NamespaceEnd, parse
from controllers.srv6.fib import Encap, FibRoute, LocalSid, Mark, NextHop, RouterState, Rule
from controllers.srv6.network import FlowMatch
from controllers.srv6.sids import Behavior, Flavor

# iproute2 6.1: `ip -j -d -6 route show table all proto 66`. End.DT6 has the key "table" twice.
ROUTES6 = """[
{"type":"unicast","dst":"fd66::1","dev":"ra","table":"100","scope":"global","metric":1024,"flags":[],"pref":"medium"},
{"type":"unreachable","dst":"default","dev":"lo","table":"100","scope":"global","metric":4096,"flags":[]},
{"type":"unicast","dst":"fcbb:bb00:1:e000::/64","encap":"seg6local","action":"End.X","nh6":"fd00::2",
 "flavors":["next-csid"],"lblen":32,"nflen":32,"dev":"sr0","table":"main","scope":"global","metric":1024,"flags":[]},
{"type":"unicast","dst":"fcbb:bb00:1:f000::","encap":"seg6local","action":"End.DX4","nh4":"10.0.0.2","dev":"sr0",
 "table":"main","scope":"global","metric":1024,"flags":[]},
{"type":"unicast","dst":"fcbb:bb00:1:f002::","encap":"seg6local","action":"End.DT6","table":"100","dev":"sr0",
 "table":"main","scope":"global","metric":1024,"flags":[]},
{"type":"unicast","dst":"fcbb:bb00:1:f003::","encap":"seg6local","action":"End.DT46","vrftable":100,"dev":"sr0",
 "table":"main","scope":"global","metric":1024,"flags":[]},
{"type":"unicast","dst":"fcbb:bb00:1:f800::","encap":"seg6local","action":"End.B6.Encaps",
 "srh":{"segs":["fcbb:bb00:2::","fcbb:bb00:3::"]},"dev":"sr0","table":"main","scope":"global","metric":1024,"flags":[]},
{"type":"unicast","dst":"fcbb:bb00:2::/48","encap":"seg6","mode":"encap.red",
 "segs":["fcbb:bb00:3::","fcbb:bb00:2::"],"dev":"sr0","table":"main","scope":"global","metric":2048,"flags":[]},
{"type":"unicast","dst":"fcbb:bb00:3::/48","table":"main","scope":"global","metric":1024,"flags":[],"nexthops":[
 {"gateway":"fd00::2","dev":"ra","weight":1,"flags":[]},{"gateway":"fd01::2","dev":"rc","weight":3,"flags":[]}]}
]"""
RULES6 = """[{"priority":0,"src":"all","table":"local","protocol":"kernel"},
{"priority":400,"src":"all","dst":"fcbb:bb00::","dstlen":32,"table":"main","protocol":"66"},
{"priority":500,"src":"all","fwmark":"0x2774","table":"10100","protocol":"66"},
{"priority":600,"src":"all","iif":"ra","table":"100","protocol":"66"},
{"priority":32766,"src":"all","table":"main","protocol":"kernel"}]"""


def sid(text: str) -> IPv6Address:
    return IPv6Address(f"fcbb:bb00:{text}")


def test_routes_are_read_back_as_they_were_written() -> None:
    state = readback.router_state({4: "", 6: ROUTES6}, {4: "[]", 6: RULES6})
    routes = [
        FibRoute(ip_network("fd66::1/128"), (NextHop("ra"),), table=100),
        FibRoute(ip_network("::/0"), table=100, metric=4096),
        FibRoute(
            ip_network("fcbb:bb00:1:e000::/64"),
            local=LocalSid(Behavior.END_X, ip_address("fd00::2"), flavors=frozenset({Flavor.NEXT_CSID}), csid_bits=32),
        ),
        FibRoute(IPv6Network(sid("1:f000::")), local=LocalSid(Behavior.END_DX4, ip_address("10.0.0.2"))),
        FibRoute(IPv6Network(sid("1:f002::")), local=LocalSid(Behavior.END_DT6, table=100)),
        FibRoute(IPv6Network(sid("1:f003::")), local=LocalSid(Behavior.END_DT46, table=100)),
        FibRoute(
            IPv6Network(sid("1:f800::")), local=LocalSid(Behavior.END_B6_ENCAPS, segments=(sid("2::"), sid("3::")))
        ),
        FibRoute(ip_network("fcbb:bb00:2::/48"), (NextHop("sr0", encap=Encap((sid("3::"), sid("2::")))),), metric=2048),
        FibRoute(
            ip_network("fcbb:bb00:3::/48"),
            (NextHop("ra", ip_address("fd00::2")), NextHop("rc", ip_address("fd01::2"), 3)),
        ),
    ]
    assert list(state.routes.values()) == routes
    assert all(key == route.key for key, route in state.routes.items())


def test_of_the_rules_only_ours_are_read() -> None:
    rules = readback.router_state({}, {6: RULES6}).rules
    to_the_underlay = Rule(400, 254, 6, to="fcbb:bb00::/32")
    assert rules == {to_the_underlay, Rule(500, 10100, 6, mark=10100), Rule(600, 100, 6, iif="ra")}


def test_a_behaviour_that_is_none_of_ours_is_no_route_that_anybody_wants() -> None:
    text = ROUTES6.replace('"End.DX4"', '"End.BPF"')
    route = readback.router_state({6: text}, {}).routes[254, IPv6Network(sid("1:f000::")), 1024]
    # Not unreachable either: that could not be deleted.
    assert (route.local, route.nexthops) == (None, (NextHop("sr0"),))


def test_counters_are_those_of_local_sids() -> None:
    text = """[{"dst":"fcbb:bb00:1::/48","encap":"seg6local","action":"End",
        "stats64":{"packets":3,"bytes":312,"errors":1},"dev":"sr0","metric":1024,"flags":[]},{"dst":"fcbb:bb00:2::/48","gateway":"fd00::2","dev":"ra","flags":[]}]"""
    assert sid_counters("r1", text) == (SidCounters("r1", IPv6Network("fcbb:bb00:1::/48"), "End", 3, 312, 1),)
    assert sid_counters("r1", "") == ()


def batch_done(code: int | None, err: str = "") -> Done:
    return Done(ip_batch("ns", ("route add a", "route del b", "rule add c"), 6), code, err=err)


def test_a_refused_line_is_named_with_what_the_kernel_says() -> None:
    err = (
        "Error: Nexthop has invalid gateway.\nCommand failed -:1\n"
        "RTNETLINK answers: No such process\nCommand failed -:2\n"
    )
    wanted = (Refused("route add a", "Nexthop has invalid gateway."), Refused("route del b", "No such process"))
    assert refused(batch_done(1, err)) == wanted
    assert refused(batch_done(0)) == ()
    assert refused(batch_done(None)) == ()


def test_what_ip_cannot_parse_ends_a_batch_and_that_is_said() -> None:
    (found,) = refused(batch_done(255, 'Error: inet6 prefix is expected rather than "x".\n'))
    assert found == Refused("this line or a later one ended the batch", 'inet6 prefix is expected rather than "x".')


def test_a_command_that_failed_says_where_and_what() -> None:
    command = Command("bl-1-pe1", ("nft", "-f", "-"))
    with pytest.raises(CommandError, match="bl-1-pe1: nft -f -: exit code 1: syntax error"):
        Done(command, 1, err="syntax error\n").checked()
    with pytest.raises(NamespaceGoneError, match="bl-1-pe1 is gone"):
        Done(command, None).checked()


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def link(name: str, flags: int, family: int = 0) -> bytes:
    attribute = name.encode() + b"\0"
    padded = attribute + bytes(-len(attribute) % 4)
    return struct.pack("=BxHiII", family, 1, 7, flags, 0) + struct.pack("=HH", 4 + len(attribute), 3) + padded


def test_link_news_say_whether_an_interface_is_running() -> None:
    data = message(16, link("pe2", 0x11043)) + message(16, link("agg1", 0x1003)) + message(17, link("pe3", 0x11043))
    wanted = [LinkNews(4, "pe2", True), LinkNews(4, "agg1", False), LinkNews(4, "pe3", False)]
    assert list(parse(data, 4)) == wanted


def test_what_a_bridge_says_of_its_ports_is_no_link_news() -> None:
    assert list(parse(message(17, link("pe2", 0x11043, family=7)), 4)) == []


def test_the_end_of_a_namespace_is_told_by_our_own() -> None:
    gone = message(89, bytes(4) + struct.pack("=HHi", 8, 1, 5))
    assert list(parse(gone, None)) == [NamespaceEnd(5)]
    assert list(parse(gone, 3)) == []


def test_the_anchor_has_the_mtu_of_the_links_and_vrfs_their_interfaces() -> None:
    state = RouterState(vrfs={"vrf-100": (100, ("cpe1", "cpe2"))})
    assert list(device_lines(IPv6Address("fd00::1"), state, 9000)) == [
        "link add sr0 type bridge",
        "link set sr0 mtu 9000 up",
        "sr tunsrc set fd00::1",
        "link add vrf-100 type vrf table 100",
        "link set vrf-100 up",
        "link set dev cpe1 master vrf-100",
        "link set dev cpe2 master vrf-100",
    ]


@pytest.mark.parametrize(
    ("match", "rules"),
    [
        (FlowMatch(dscp=46), ["ip dscp 46", "ip6 dscp 46"]),
        (FlowMatch(protocol=1), ["meta l4proto { 1, 58 }"]),
        (FlowMatch(protocol=17, destination_port=862), ["meta l4proto 17 th dport 862"]),
        (FlowMatch(dscp=0, destination=ip_network("10.2.0.0/24")), ["ip dscp 0 ip daddr 10.2.0.0/24"]),
        (
            FlowMatch(protocol=6, source=ip_network("fd02::/64"), source_port=80),
            ["ip6 saddr fd02::/64 meta l4proto 6 th sport 80"],
        ),
    ],
)
def test_marks_match_the_flow(match: FlowMatch, rules: list[str]) -> None:
    script = steering_script(RouterState(marks=(Mark("cpe1", match, 10100),)))
    found = [line.strip() for line in script.splitlines() if "iifname" in line]
    assert found == [f'iifname "cpe1" {rule} meta mark set 10100 accept' for rule in rules]


def state(metric: int) -> RouterState:
    route = FibRoute(ip_network("fd00::/64"), metric=metric)
    return RouterState({route.key: route})


def drained(agenda: Agenda) -> list[dict[str, RouterState]]:
    found = []
    while agenda:
        found.append(agenda.next())
    return [each for each in found if each]


def test_steps_are_taken_one_after_the_other() -> None:
    agenda = Agenda()
    done = agenda.add([{"a": state(1), "b": state(1)}, {"a": state(2)}])
    assert "a" in agenda and "c" not in agenda
    assert agenda.next() == {"a": state(1), "b": state(1)}
    assert agenda.next() == {"a": state(2)}
    assert not done.done()
    assert agenda.next() == {} and done.done()


def test_a_newer_program_comes_first_and_is_not_undone_by_an_older_one() -> None:
    agenda = Agenda()
    older = agenda.add([{"a": state(1), "b": state(1)}, {"b": state(2), "c": state(2)}])
    newer = agenda.add([{"b": state(3)}])
    assert drained(agenda) == [{"b": state(3)}, {"a": state(1)}, {"c": state(2)}]
    assert older.done() and newer.done()


def test_a_large_step_leaves_room_for_what_is_urgent() -> None:
    agenda = Agenda()
    agenda.add([{f"r{number}": state(1) for number in range(9)}])
    first = agenda.next()
    agenda.add([{"r8": state(2)}])
    assert 0 < len(first) < 9
    assert agenda.next() == {"r8": state(2)}
