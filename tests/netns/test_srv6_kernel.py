"""The controller's hands on a real kernel: what is written is what is read back, and links are heard of."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

import pytest

from controllers.kernel.adjacency import Adjacencies
from controllers.kernel.commands import Command, CommandError, NamespaceGoneError, run
from controllers.kernel.install import Installer, Report, RouteRefused, RouterGone
from controllers.kernel.monitor import Change, InterfaceChange, Monitor, NodeGone
from controllers.kernel.prepare import prepare
from controllers.kernel.readback import read_router, read_routers
from controllers.srv6.fib import (
    ANCHOR,
    BACKUP,
    LAST_RESORT,
    Encap,
    FibRoute,
    LocalSid,
    Mark,
    NextHop,
    RouterState,
    Rule,
)
from controllers.srv6.network import FlowMatch
from controllers.srv6.sids import Behavior, Flavor
from testbed import netns
from tests.support.polling import PATIENCE_S, eventually
from tests.support.srv6_rig import SQUARE, Rig, srv6_rig

pytestmark = pytest.mark.netns

SIDS = tuple(IPv6Address(f"fcbb:bb00:{node}::") for node in range(2, 10))
R2, R4 = IPv6Address("fd01:1::2"), IPv6Address("fd01:3::2")
UNSHIFTED, SHIFTED = frozenset[Flavor](), frozenset({Flavor.NEXT_CSID})


def encap(*segments: IPv6Address, mode: str = "encap.red") -> Encap:
    return Encap(segments, mode)


def local(number: int, behavior: Behavior, **arguments: object) -> FibRoute:
    sid = LocalSid(behavior, **arguments)  # type: ignore[arg-type]
    return FibRoute(ip_network((0xFCBB_BB00_0001_F000_0000_0000_0000_0000 | number << 64, 128)), local=sid)


EVERYTHING = (
    FibRoute(ip_network("fcbb:bb00:2::/48"), (NextHop("r2", R2),)),
    FibRoute(ip_network("fcbb:bb00:3::/48"), (NextHop("r2", R2, 1), NextHop("r4", R4, 3))),
    FibRoute(ip_network("fcbb:bb00:2::/48"), (NextHop(ANCHOR, encap=encap(*SIDS[:2])),), metric=BACKUP),
    FibRoute(
        ip_network("fd07::/64"),
        (
            NextHop(ANCHOR, IPv6Address("fe80::1"), 3, encap(*SIDS)),
            NextHop(ANCHOR, IPv6Address("fe80::2"), 1, encap(SIDS[0])),
        ),
        table=100,
    ),
    FibRoute(ip_network("fd08::/64"), (NextHop(ANCHOR, encap=encap(SIDS[0], mode="encap")),), table=100),
    FibRoute(ip_network("fd09::1/128"), (NextHop(ANCHOR, encap=encap(SIDS[0], mode="l2encap.red")),), table=100),
    FibRoute(ip_network("::/0"), table=100, metric=LAST_RESORT),
    FibRoute(ip_network("fd02:1::/64"), (NextHop("h1"),), table=100),
    FibRoute(ip_network("10.2.0.2/32"), (NextHop(ANCHOR, encap=encap(SIDS[1])),), table=100),
    FibRoute(
        ip_network("10.3.0.0/24"),
        (NextHop(ANCHOR, None, 3, encap(*SIDS[:3])), NextHop(ANCHOR, None, 1, encap(SIDS[2]))),
        table=100,
    ),
    FibRoute(ip_network("10.4.0.0/24"), (NextHop("h1", IPv4Address("10.1.0.2")),), table=100),
    FibRoute(ip_network("0.0.0.0/0"), table=100, metric=LAST_RESORT),
    FibRoute(
        ip_network("fcbb:bb00:1::/48"), local=LocalSid(Behavior.END, flavors=SHIFTED | {Flavor.PSP}, csid_bits=16)
    ),
    FibRoute(
        ip_network("fcbb:bb00:1:e000::/64"),
        local=LocalSid(Behavior.END_X, R2, flavors=SHIFTED, csid_bits=32),
    ),
    local(1, Behavior.END_X, nexthop=R4),
    local(2, Behavior.END_DX4, nexthop=IPv4Address("10.1.0.2")),
    local(3, Behavior.END_DX6, nexthop=IPv6Address("fd02:1::2")),
    local(4, Behavior.END_DT6, table=100),
    local(5, Behavior.END_B6_ENCAPS, segments=SIDS[:3]),
)
RULES = frozenset(
    {
        Rule(400, 254, 6, to="fcbb:bb00::/32"),
        Rule(500, 10100, 4, mark=10100),
        Rule(500, 10100, 6, mark=10100),
        Rule(600, 100, 4, iif="h1"),
    }
)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with srv6_rig(tmp_path, SQUARE, {"h1": "r1", "h2": "r3"}) as rig:
        yield rig


class Hands:
    """An installer, and what it reports."""

    def __init__(self, rig: Rig) -> None:
        self.reports: queue.Queue[Report] = queue.Queue()
        prepare(rig.network.routers, {}, 9000)
        self.installer = Installer(rig.namespaces, self.reports.put)

    def install(self, *steps: dict[str, RouterState]) -> list[Report]:
        self.installer.submit(steps).result(PATIENCE_S)
        return [self.reports.get() for _ in range(self.reports.qsize())]


@pytest.fixture
def hands(rig: Rig) -> Hands:
    return Hands(rig)


def state(*routes: FibRoute, rules: frozenset[Rule] = frozenset()) -> RouterState:
    return RouterState({route.key: route for route in routes}, rules)


def test_everything_that_is_written_is_read_back(rig: Rig, hands: Hands) -> None:
    wanted = state(*EVERYTHING, rules=RULES)
    assert hands.install({"r1": wanted}) == []
    assert rig.routes("r1") == wanted
    read = read_routers({"r1": rig.namespaces["r1"], "gone": "no-such-namespace"})
    assert read["r1"] == wanted
    assert isinstance(read["gone"], NamespaceGoneError)
    assert hands.install({"r1": RouterState()}) == []
    assert rig.routes("r1") == RouterState()


@pytest.mark.parametrize("version", [4, 6])
def test_one_kind_of_route_takes_the_place_of_another(rig: Rig, hands: Hands, version: int) -> None:
    """A replacement that the kernel took for an addition would leave the old route beside it."""
    kinds = [route for route in EVERYTHING if route.prefix.version == version]
    (prefix,) = {ip_network("10.9.0.0/24") if version == 4 else ip_network("fd99::/64")}
    for before in kinds:
        for after in kinds:
            for route in (before, after):
                wanted = state(FibRoute(prefix, route.nexthops, route.local, 100))
                assert hands.install({"r1": wanted}) == []
            assert rig.routes("r1") == wanted, f"{after} in place of {before}"


def test_what_makes_no_difference_to_the_kernel_is_not_written_again(rig: Rig, hands: Hands) -> None:
    odd = state(
        FibRoute(ip_network("fd07::/64"), (NextHop("h1", weight=7),), table=100),
        local(1, Behavior.END_X, nexthop=R4, csid_bits=32),
    )
    assert hands.install({"r1": odd}) == []
    before = rig.run("r1", "ip", "-6", "-d", "route", "show", "table", "all")
    again = Installer(rig.namespaces, hands.reports.put)
    rig.run("r1", "ip", "link", "set", "h1", "down")
    # Writing the route again would fail now; the kernel has taken it away, so only that one is tried.
    again.submit([{"r1": odd}]).result(PATIENCE_S)
    assert [each.line.split()[2] for each in _all(hands.reports) if isinstance(each, RouteRefused)] == ["fd07::/64"]
    assert "fd07::" in before


def test_a_line_that_the_kernel_refuses_is_reported_and_the_others_are_there(rig: Rig, hands: Hands) -> None:
    good, bad = FibRoute(ip_network("fd07::/64"), (NextHop("h1"),)), FibRoute(ip_network("fd08::/64"), (NextHop("h9"),))
    (report,) = hands.install({"r1": state(bad, good)})
    assert report == RouteRefused(
        "r1", "route replace fd08::/64 table 254 proto 66 metric 1024 dev h9", 'Cannot find device "h9"'
    )
    assert rig.routes("r1") == state(good)
    # It is known that it is not there: the next program does not take it for granted.
    assert hands.install({"r1": state(good)}) == []


def test_what_the_kernel_has_taken_away_is_no_failure_to_remove(rig: Rig, hands: Hands) -> None:
    route = FibRoute(ip_network("fcbb:bb00:2::/48"), (NextHop("r2", R2),))
    hands.install({"r1": state(route)})
    rig.set_link("r1", "r2", "down")
    assert rig.routes("r1") == RouterState()
    assert hands.install({"r1": RouterState()}) == []


def test_what_the_kernel_has_taken_away_is_put_back(rig: Rig, hands: Hands) -> None:
    route = FibRoute(ip_network("fcbb:bb00:2::/48"), (NextHop("r2", R2),))
    hands.install({"r1": state(route)})
    rig.set_link("r1", "r2", "down")
    rig.set_link("r1", "r2", "up")
    hands.installer.reread("r1")
    eventually(lambda: rig.routes("r1"), lambda found: found == state(route))


def test_a_router_that_is_gone_is_reported_and_the_others_get_theirs(rig: Rig, hands: Hands) -> None:
    route = FibRoute(ip_network("fd07::/64"))
    netns.delete(rig.namespaces["r2"])
    assert hands.install({"r2": state(route), "r3": state(route)}) == [RouterGone("r2")]
    assert rig.routes("r3") == state(route)
    with pytest.raises(NamespaceGoneError, match="r2 is gone"):
        read_router(rig.namespaces["r2"])


def test_routers_are_prepared_and_to_do_it_again_changes_nothing(rig: Rig) -> None:
    marks = tuple(
        Mark("h1", match, 10100)
        for match in (FlowMatch(dscp=46), FlowMatch(protocol=17, destination_port=862, source=ip_network("fd02::/16")))
    )
    shown = []
    for _ in range(2):
        prepare(rig.network.routers, {"r1": RouterState(marks=marks)}, 9000)
        shown.append([rig.run("r1", *argv.split()) for argv in ("nft list ruleset", "ip link", "ip sr tunsrc show")])
    assert shown[0] == shown[1]
    ruleset, links, source = shown[0]
    assert 'iifname "h1" ip6 dscp ef meta mark set 0x00002774 accept' in ruleset
    assert 'iifname "h1" ip6 saddr fd02::/16 udp dport 862 meta' in ruleset
    assert f"{ANCHOR}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 9000" in links
    assert source.split() == ["tunsrc", "addr", "fd00::1"]
    assert rig.run("r1", "sysctl", "-n", "net.ipv6.conf.r2.seg6_enabled").strip() == "1"


def test_what_cannot_be_prepared_names_the_router_and_the_line(rig: Rig) -> None:
    with pytest.raises(CommandError, match=r"-r1: `ip link set sr0 mtu 1 up`: "):
        prepare(rig.network.routers[:1], {}, 1)


def test_links_and_routers_are_heard_of(rig: Rig) -> None:
    routers = {name: rig.namespaces[name] for name in ("r1", "r2", "r3")}
    interfaces = {
        ("r1", "r2"): "r2",
        ("r1", "h1"): None,
        ("r2", "r1"): "r1",
        ("r3", "r4"): "r4",
        ("r3", "no-such"): None,
    }
    rig.set_link("r4", "r3", "down")
    changes: queue.Queue[Change] = queue.Queue()
    monitor = Monitor({**routers, "r9": "no-such-namespace"}, interfaces)
    try:
        assert set(monitor.found) == {
            NodeGone("r9"),
            InterfaceChange("r3", "r4", False),
            InterfaceChange("r3", "no-such", False),
        }
        monitor.start(changes.put)
        for up in (False, True):
            rig.set_link("r2", "r1", "up" if up else "down")
            found = {changes.get(timeout=PATIENCE_S) for _ in range(2)}
            assert found == {InterfaceChange("r1", "r2", up), InterfaceChange("r2", "r1", up)}
        rig.run("h1", "ip", "link", "set", "r1", "down")
        assert changes.get(timeout=PATIENCE_S) == InterfaceChange("r1", "h1", False)
        netns.delete(rig.namespaces["r2"])
        found = {changes.get(timeout=PATIENCE_S) for _ in range(2)}
        assert found == {NodeGone("r2"), InterfaceChange("r1", "r2", False)}
    finally:
        monitor.close()
    assert changes.empty()


@pytest.mark.parametrize("known", [False, True])
def test_a_link_is_up_again_once_the_neighbour_answers(rig: Rig, known: bool) -> None:
    """Whether its MAC address is known from the start makes no difference."""
    reports: queue.Queue[tuple[tuple[str, str], bool]] = queue.Queue()
    adjacencies = Adjacencies(rig.network, lambda link, up: reports.put((link, up)))
    adjacencies.changed(("r1", "r2"), False)
    assert reports.get_nowait() == (("r1", "r2"), False)
    (address,) = (str(port.address) for port in rig.network.ports if (port.node, port.peer) == ("r2", "r1"))
    if known:
        mac = json.loads(rig.run("r2", "ip", "-json", "link", "show", "r1"))[0]["address"]
        entry = ("to", str(R2), "lladdr", mac, "dev", "r2", "nud", "permanent")
        rig.run("r1", "ip", "neigh", "replace", *entry)
    rig.run("r2", "ip", "addr", "del", address, "dev", "r1")
    adjacencies.changed(("r1", "r2"), True)
    adjacencies.changed(("r1", "r4"), True)
    assert reports.get(timeout=PATIENCE_S) == (("r1", "r4"), True)
    assert reports.empty()
    rig.run("r2", "ip", "addr", "add", address, "dev", "r1")
    assert reports.get(timeout=PATIENCE_S) == (("r1", "r2"), True)


def test_many_commands_are_run_and_answer_in_their_order(rig: Rig) -> None:
    namespace = rig.namespaces["r1"]
    done = run([Command(namespace, ("cat",), str(number)) for number in range(30)] + [Command("no-such", ("cat",))])
    assert [each.out for each in done[:-1]] == [str(number) for number in range(30)]
    assert done[-1].gone
    with pytest.raises(FileNotFoundError):
        run([Command(namespace, ("no-such-program",))])


def _all(reports: queue.Queue[Report]) -> list[Report]:
    return [reports.get() for _ in range(reports.qsize())]
