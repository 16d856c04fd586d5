"""The plan of the shipped scenario: deterministic, complete, and its routes lead where they should."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from testbed.errors import InputError
from testbed.graph import Role, Tier
from testbed.plan.model import Plan, PlannedNode, PlannedProcess
from testbed.plan.processes import LINK_PROBE
from testbed.run import load_plan
from testbed.scenario.impairment import Links
from testbed.units import fibre_delay_ms
from tests.support.scenario import LOCAL_BREAKOUT


@pytest.fixture(scope="module")
def planned() -> Plan:
    return load_plan(LOCAL_BREAKOUT)[1]


def addresses(node: PlannedNode) -> tuple[str, ...]:
    return tuple(address for port in node.interfaces for address in port.addresses)


class Forwarding:
    """Looks packets up in the plan's routes, as the kernel will."""

    def __init__(self, plan: Plan) -> None:
        self.owner = {str(ip_interface(own).ip): node.name for node in plan.nodes for own in addresses(node)}
        self.own = {
            node.name: {str(ip_interface(own).ip) for own in (*node.loopback, *addresses(node))} for node in plan.nodes
        }
        self.table = {node.name: self._table(node) for node in plan.nodes}

    @staticmethod
    def _table(node: PlannedNode) -> list[tuple[IPv4Network | IPv6Network, str | None]]:
        entries: list[tuple[IPv4Network | IPv6Network, str | None]]
        entries = [(ip_network(route.prefix), route.via) for route in node.routes]
        entries += [(ip_interface(own).network, None) for own in addresses(node)]
        return sorted(entries, key=lambda entry: -entry[0].prefixlen)

    def next(self, node: str, target: str) -> str | None:
        """The node to which `node` sends a packet for `target`; None if it is its own."""
        if target in self.own[node]:
            return None
        address = ip_address(target)
        via = next(via for prefix, via in self.table[node] if address in prefix)
        return self.owner[via or target]

    def path(self, source: str, target: str) -> list[str]:
        """The nodes that a packet passes from `source` to `target`, both included."""
        hops = [source]
        while (following := self.next(hops[-1], target)) is not None:
            assert following not in hops, f"a loop: {hops}"
            hops.append(following)
        return hops


def test_same_file_same_plan(planned: Plan) -> None:
    again = load_plan(LOCAL_BREAKOUT)[1]
    assert TypeAdapter(Plan).dump_json(again) == TypeAdapter(Plan).dump_json(planned)


def test_a_seed_changes_nothing_else(planned: Plan) -> None:
    assert load_plan(LOCAL_BREAKOUT, seed=7)[1] == replace(planned, seed=7)


def test_a_plan_survives_json(planned: Plan) -> None:
    adapter = TypeAdapter(Plan)
    assert adapter.validate_json(adapter.dump_json(planned)) == planned


def test_n3_of_the_central_path_crosses_metro_and_backbone(planned: Plan) -> None:
    for version in (4, 6):
        upf = planned.node("upf-cloud").address(version)
        hops = Forwarding(planned).path("gnb1", upf)
        assert hops in (
            ["gnb1", "csr1", "agg1", "m1", "m2", "m3", "pe1", "guangzhou", "pe2", "upf-cloud"],
            ["gnb1", "csr1", "agg1", "m1", "m4", "m3", "pe1", "guangzhou", "pe2", "upf-cloud"],
        )


def test_n3_of_the_edge_stays_in_the_metro(planned: Plan) -> None:
    assert Forwarding(planned).path("gnb1", planned.node("upf-edge").address()) == ["gnb1", "csr1", "agg1", "upf-edge"]


@pytest.mark.parametrize(("upf", "host"), [("upf-edge", "mec1"), ("upf-cloud", "app1")])
def test_the_anycast_address_is_next_to_each_upf(planned: Plan, upf: str, host: str) -> None:
    assert Forwarding(planned).path(upf, "203.0.113.10") == [upf, host]


def test_hosts_answer_users_through_the_upf_of_their_own_site(planned: Plan) -> None:
    for host, upf in (("mec1", "upf-edge"), ("app1", "upf-cloud"), ("app2", "upf-cloud")):
        assert Forwarding(planned).next(host, "10.45.0.2") == upf


def test_everybody_reaches_everybody(planned: Plan) -> None:
    nodes = [node for node in planned.nodes if addresses(node)]
    forwarding = Forwarding(planned)
    for version in (4, 6):
        for source in nodes:
            for target in nodes:
                assert forwarding.path(source.name, target.address(version))[-1] == target.name


def test_addresses_and_macs_are_unique(planned: Plan) -> None:
    all_addresses = [str(ip_interface(own).ip) for node in planned.nodes for own in addresses(node)]
    macs = [port.mac for node in planned.nodes for port in node.interfaces]
    assert len(set(all_addresses)) == len(all_addresses)
    assert len(set(macs)) == len(macs)


def test_the_backbone_has_the_delay_of_its_fibre(planned: Plan) -> None:
    shortest = [planned.link("pe1-guangzhou"), planned.link("pe2-guangzhou")]
    length = sum(link.distance_km for link in shortest)
    assert length == pytest.approx(1976, abs=1)
    assert sum(link.a_to_b.delay_ms for link in shortest) == pytest.approx(fibre_delay_ms(length) + 0.04, abs=1e-6)
    assert {link.name for link in planned.links if link.tier is Tier.BACKBONE} > {link.name for link in shortest}


def test_the_whole_map_on_request() -> None:
    whole = load_plan(LOCAL_BREAKOUT, ["topology.params.backbone_scope=map"])[1]
    assert len([node for node in whole.nodes if node.site == "backbone"]) == 38
    assert Forwarding(whole).path("gnb1", whole.node("upf-cloud").address())[-3:] == ["guangzhou", "pe2", "upf-cloud"]


def test_network_functions_find_each_other(planned: Plan) -> None:
    configs = {process.name: yaml.safe_load(process.config) for process in planned.processes if process.config}
    upfs = {client["name"]: client["address"] for client in configs["smf"]["smf"]["pfcp"]["client"]["upf"]}
    for name, address in upfs.items():
        assert configs[name]["upf"]["pfcp"]["server"] == [{"address": address}]
        assert configs[name]["upf"]["pfcp"]["accept"] == [configs["smf"]["smf"]["pfcp"]["server"][0]["address"]]
    assert configs["gnb1"]["gnb"]["smf"]["address"] == configs["smf"]["smf"]["sbi"]["server"][0]["address"]
    assert planned.smf == "smf"
    ue = planned.node("ue1").interface("gnb1")
    assert configs["gnb1"]["gnb"]["ues"][0] == {"name": "ue1", "interface": "ue1", "mac": ue.mac}


def test_settings_change_the_plan() -> None:
    settings = ["links.tiers.radio.delay=5ms", "links.override=[{link: m1-m2, distance: 400km}]"]
    changed = load_plan(LOCAL_BREAKOUT, settings)[1]
    assert changed.link("ue1-gnb1").a_to_b.delay_ms == 5
    assert changed.link("m1-m2").a_to_b.delay_ms == pytest.approx(2.02)


def test_users_may_have_jumbo_frames() -> None:
    settings = ["core.ue_mtu=4000", "links.tiers.radio.mtu=4000"]
    jumbo = load_plan(LOCAL_BREAKOUT, settings)[1]
    assert {session.ue_mtu for session in jumbo.sessions} == {4000}
    configs = [yaml.safe_load(process.config) for process in jumbo.processes if process.name.startswith("upf-")]
    assert [config["upf"]["mtu"] for config in configs] == [4000, 4000]
    with pytest.raises(InputError, match=r"lan-edge-mec1: core\.ue_mtu 4000"):
        load_plan(LOCAL_BREAKOUT, [*settings, "links.tiers.datacentre.mtu=3000"])


def test_a_wrong_setting_is_an_input_error() -> None:
    with pytest.raises(InputError, match="KEY=VALUE"):
        load_plan(LOCAL_BREAKOUT, ["nonsense"])


def test_cpes_have_datapaths_and_management(planned: Plan) -> None:
    cpes = [node for node in planned.nodes if node.role is Role.CPE]
    assert [cpe.datapath_id for cpe in cpes] == [1, 2]
    assert len({cpe.management for cpe in cpes}) == 2
    assert planned.controller == "tcp:172.31.255.1:6653"


def test_a_topology_from_a_template(tmp_path: Path) -> None:
    (tmp_path / "line.yml.j2").write_text(
        "name: line\n"
        "nodes:\n"
        "{% for i in range(routers) %}  - {name: r{{ i }}, role: router}\n{% endfor %}"
        "links:\n"
        "{% for i in range(routers - 1) %}  - {a: r{{ i }}, b: r{{ i + 1 }}, tier: metro, distance: 10km}\n{% endfor %}"
    )
    (tmp_path / "line-scenario.yml").write_text("name: line\ntopology: {file: line.yml.j2, params: {routers: 4}}\n")
    line = load_plan(tmp_path / "line-scenario.yml")[1]
    assert Forwarding(line).path("r0", line.node("r3").address()) == ["r0", "r1", "r2", "r3"]


def test_without_a_core_users_are_hosts_behind_a_router() -> None:
    plain = load_plan(LOCAL_BREAKOUT, ["core={}", "probes={}", "flows={}", "timeline=[]", "expect=[]"])[1]
    forwarding = Forwarding(plain)
    assert forwarding.path("ue1", plain.node("app1").address())[:3] == ["ue1", "gnb1", "csr1"]
    assert forwarding.path("app1", plain.node("ue1").address())[-2:] == ["gnb1", "ue1"]
    assert not [process for process in plain.processes if process.name in ("smf", "gnb1", "upf-edge")]
    assert plain.smf is None


def link_probe(*settings: str) -> PlannedProcess | None:
    """The process that probes the links, if there is one."""
    probes = load_plan(LOCAL_BREAKOUT, settings)[1].probes
    return next((process for process in probes if process.name == f"probe-{LINK_PROBE}"), None)


def test_every_emulated_link_is_probed_from_the_base_namespace(planned: Plan) -> None:
    process = link_probe()
    assert process is not None
    assert process.node is None
    assert process.argv[-2:] == ("--interval", "0.1")
    links = json.loads(process.config)
    assert [link["name"] for link in links] == [link.name for link in planned.links if link.emulated]
    assert links[0]["a"] == {"namespace": "{base}-ue1", "ifname": "gnb1"}


def test_all_link_probes_together_are_at_most_500_a_second() -> None:
    process = link_probe("links.probe=10ms")
    assert process is not None
    assert float(process.argv[-1]) == 2 * 14 / 500


def test_links_are_not_probed_where_nobody_wants_it_or_none_is_emulated() -> None:
    assert link_probe("links.probe=off") is None
    assert link_probe('links.probe="off"') is None
    plain = {"delay": "0ms", "jitter": "0ms", "preset": "datacentre"}
    tiers = dict.fromkeys(("radio", "access", "backhaul", "metro", "backbone"), plain)
    overrides = [{"link": link.name, "distance": "0km", **plain} for link in load_plan(LOCAL_BREAKOUT)[1].links]
    assert link_probe(f"links.tiers={json.dumps(tiers)}", f"links.override={json.dumps(overrides)}") is None


def test_the_probe_interval_survives_the_record() -> None:
    for text in ("off", "250ms"):
        links = Links.model_validate({"probe": text})
        assert links.model_dump(mode="json")["probe"] == text
        assert Links.model_validate(links.model_dump(mode="json")) == links
