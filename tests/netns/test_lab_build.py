from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from testbed import netns
from testbed.graph import Role
from testbed.lab.build import run_ip
from testbed.lab.engine import NodeEnd, emulate
from testbed.lab.ledger import read_lab
from testbed.links.engine import EmulatedLink
from testbed.links.profile import LinkProfile
from testbed.plan.model import Plan, Route
from tests.support.lab_plans import R2, five_nodes, interface, link, node
from tests.support.memory_engine import Engine
from topologies.network import RunningLab, lab

pytestmark = pytest.mark.netns


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningLab]:
    with lab(five_nodes(), run_dir=tmp_path, on_event=lambda *_: None, root=tmp_path / "labs") as running:
        yield running


def inside(running: RunningLab, node: str | None, *argv: str) -> str:
    with netns.entered(running.names.namespace(node)):
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(
    "address", ["10.1.0.1", "10.0.0.1", "10.2.0.1", "10.2.0.2", "fd00:1::1", "fd00::1", "fd00:2::2"]
)
def test_every_hop_answers(running: RunningLab, address: str) -> None:
    assert " 0% packet loss" in inside(running, "h1", "ping", "-c1", "-W2", address)


def test_a_node_has_no_shell_before_its_first_command(running: RunningLab) -> None:
    node = running.net["h1"]
    running.net.start()
    assert node.shell is None
    assert node.cmd("ip -br addr show r1").split()[2] == "10.1.0.2/24"
    assert [process.pid for process in read_lab(running.ledger.directory).processes] == [node.pid]


def test_two_routers_are_on_the_way_through_a_bridge(running: RunningLab) -> None:
    for address in ("10.2.0.2", "fd00:2::2"):
        reply = inside(running, "h1", "ping", "-c1", "-W2", address)
        assert re.search(r"ttl=62", reply), reply


def test_a_router_knows_its_neighbour_whatever_happens_to_the_link(running: RunningLab) -> None:
    def known() -> set[str]:
        lines = inside(running, "r1", "ip", "neigh", "show", "dev", "r2", "nud", "permanent").splitlines()
        return {" ".join(line.split()[:3]) for line in lines if not line.startswith("ff")}

    wanted = {f"{neighbour.address} lladdr {neighbour.mac}" for neighbour in R2}
    assert known() == wanted
    with netns.entered(running.names.namespace("r2")):
        run_ip("link set r1 down\n", where="r2")
    assert known() == wanted, "the carrier went"
    running.net.configLinkStatus("r1", "r2", "down")
    assert known() == set(), "the kernel took them"
    running.net.configLinkStatus("r1", "r2", "up")
    assert known() == wanted


def test_a_router_without_forwarding_stops_the_way(running: RunningLab) -> None:
    with netns.entered(running.names.namespace("r1")):
        Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
    assert " 0% packet loss" not in inside(running, "h1", "ping", "-c1", "-W1", "10.2.0.2")


def test_ends_of_links_to_what_builds_packets_itself_send_finished_packets(tmp_path: Path) -> None:
    plan = five_nodes(LinkProfile(delay_ms=1))
    nodes = tuple(replace(node, role=Role.GNB) if node.name == "r2" else node for node in plan.nodes)
    with lab(replace(plan, nodes=nodes), run_dir=tmp_path, on_event=lambda *_: None, root=tmp_path / "labs") as running:
        emulated, plain = (inside(running, "r1", "ethtool", "-k", name) for name in ("r2", "h1"))
    for feature in ("tx-checksumming", "tx-tcp-segmentation", "tx-tcp6-segmentation", "generic-segmentation-offload"):
        assert f"{feature}: off" in emulated
        assert f"{feature}: on" in plain
    assert "generic-receive-offload: off" in emulated


class NamedNetem(Engine):
    """Carries nothing, but is called as the engine that cuts no super-packets."""

    name = "netem"

    def add(self, links: Iterable[EmulatedLink]) -> None:
        self.added = tuple(links)


def test_for_an_engine_that_cuts_nothing_emulated_links_get_finished_packets(tmp_path: Path) -> None:
    plan = five_nodes(LinkProfile(delay_ms=1))
    engine = NamedNetem()
    with lab(plan, run_dir=tmp_path, on_event=lambda *_: None, root=tmp_path / "labs") as running:
        ends = [NodeEnd(running.names.namespace(node), peer) for node, peer in (("r1", "r2"), ("r2", "r1"))]
        emulate(engine, running.emulated, ends)
        emulated, plain = (inside(running, "r1", "ethtool", "-k", name) for name in ("r2", "h1"))
        far = inside(running, "r2", "ethtool", "-k", "r1")
    assert engine.added == running.emulated
    assert "tx-tcp-segmentation: off" in emulated
    assert "tx-tcp-segmentation: off" in far
    assert "tx-tcp-segmentation: on" in plain


def test_an_emulated_link_carries_what_joins_its_inner_ends(tmp_path: Path) -> None:
    with lab(
        five_nodes(LinkProfile(delay_ms=1)), run_dir=tmp_path, on_event=lambda *_: None, root=tmp_path / "labs"
    ) as running:
        (emulated,) = running.emulated
        assert "100% packet loss" in inside(running, "r1", "ping", "-c1", "-W1", "10.0.0.1")
        # In place of an engine: a bridge over the two inner ends.
        ends = (emulated.a_ifname, emulated.b_ifname)
        run_ip(
            "link add join up type bridge\n" + "".join(f"link set {end} master join\n" for end in ends), where="test"
        )
        assert " 0% packet loss" in inside(running, "r1", "ping", "-c1", "-W2", "10.0.0.1")
        assert "inet6" not in inside(running, None, "ip", "addr", "show", emulated.a_ifname)


def test_nodes_may_be_called_what_ip_has_words_for(tmp_path: Path) -> None:
    """`b` alone is short for broadcast, `up` and `dev` are keywords."""
    a = node("a", Role.HOST, interface("b", 1, "10.1.0.2/24"), routes=(Route("default", "b", "10.1.0.1"),))
    b = node("b", Role.ROUTER, interface("a", 2, "10.1.0.1/24"), interface("up", 3, "10.2.0.1/24"))
    up = node("up", Role.LAN, interface("b", 4), interface("dev", 5))
    dev = node("dev", Role.HOST, interface("up", 6, "10.2.0.2/24"), routes=(Route("default", "up", "10.2.0.1"),))
    plan = Plan("short", 1, "wire", (a, b, up, dev), (link("a", "b"), link("b", "up"), link("up", "dev")))
    with lab(plan, run_dir=tmp_path, on_event=lambda *_: None, root=tmp_path / "labs") as running:
        assert " 0% packet loss" in inside(running, "a", "ping", "-c1", "-W2", "10.2.0.2")


def test_the_base_namespace_reaches_managed_nodes(tmp_path: Path) -> None:
    cpes = tuple(
        replace(node(name, Role.CPE), management=f"172.31.255.{last}/24") for name, last in (("cpe1", 2), ("cpe2", 3))
    )
    plan = Plan("managed", 1, "wire", cpes, ())
    with lab(plan, run_dir=tmp_path, on_event=lambda *_: None, root=tmp_path / "labs") as running:
        assert all(
            " 0% packet loss" in inside(running, None, "ping", "-c1", "-W2", f"172.31.255.{last}") for last in (2, 3)
        )


def test_a_cpe_without_a_starter_bridges_and_with_one_leaves_its_ports_to_it(tmp_path: Path) -> None:
    h1 = node("h1", Role.HOST, interface("cpe1", 1, "10.0.0.1/24"))
    h2 = node("h2", Role.HOST, interface("cpe1", 2, "10.0.0.2/24"))
    cpe = node("cpe1", Role.CPE, interface("h1", 3), interface("h2", 4))
    plan = Plan("cpe", 1, "wire", (h1, h2, cpe), (link("h1", "cpe1"), link("h2", "cpe1")))
    started: list[tuple[str, str]] = []
    with lab(plan, run_dir=tmp_path, on_event=lambda *_: None, root=tmp_path / "labs") as running:
        running.net.use_cpe_starter(lambda planned, namespace: started.append((planned.name, namespace)))
        running.net.start()
        assert started == [("cpe1", running.namespaces["cpe1"])]
        assert "100% packet loss" in inside(running, "h1", "ping", "-c1", "-W1", "10.0.0.2")
    with lab(plan, run_dir=tmp_path, on_event=lambda *_: None, root=tmp_path / "labs") as running:
        running.net.start()
        assert " 0% packet loss" in inside(running, "h1", "ping", "-c1", "-W2", "10.0.0.2")
