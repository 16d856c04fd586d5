"""Bad input → the message that it gets, with the path into the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.scenario import changed, problems

Change = Callable[[dict[str, Any]], object]


def setting(path: str, value: Any) -> Change:
    """Set the value at `path`, such as `core.sessions.0.ue`."""

    def change(data: Any) -> None:
        *parents, last = path.split(".")
        for key in parents:
            data = data[int(key)] if isinstance(data, list) else data.setdefault(key, {})
        data[int(last) if isinstance(data, list) else last] = value

    return change


CASES: list[tuple[str, Change, list[str]]] = [
    ("nothing wrong", lambda data: None, []),
    ("unknown key", setting("colour", "red"), ["colour: got an unknown key; want one of captures, controller, core,"]),
    ("unknown key inside", setting("core.dnns.internet.poool", "x"), ["core.dnns.internet.poool: got an unknown key"]),
    (
        "bad unit",
        setting("links.tiers", {"radio": {"rate": "10gb"}}),
        ['links.tiers.radio.rate: got "10gb"; want a rate such as "10Gbit"'],
    ),
    (
        "delay below zero",
        setting("links.tiers", {"metro": {"delay": "-1ms"}}),
        ['links.tiers.metro.delay: got "-1ms"; want a duration such as "9.9ms", not below zero'],
    ),
    (
        "no such topology",
        setting("topology", {"name": "mars"}),
        ['topology.name: got "mars"; want one of carrier, metro'],
    ),
    (
        "no such map",
        setting("topology.params.backbone_map", "topozoo/Atlantis"),
        ['topology.params.backbone_map: got "topozoo/Atlantis"; want a map of topohub'],
    ),
    (
        "no such city",
        setting("topology.params.cloud_city", "Atlantis"),
        ['topology.params.cloud_city: got "Atlantis"; want a city of topozoo/Chinanet: Beijing'],
    ),
    (
        "unknown parameter",
        setting("topology.params.colour", 1),
        ["topology.params.colour: got an unknown key; want one of ues"],
    ),
    (
        "unknown node",
        setting("services.portal.hosts", ["app1", "mec"]),
        [
            'services.portal.hosts[1]: got "mec"; want a host: mec1, app1, app2 (did you mean "mec1"?)',
            'timeline[1].insert_ulcl.services[0]: got "portal", served by app1, mec; want a host beside upf-edge',
        ],
    ),
    (
        "unknown link",
        setting("links.override", [{"link": "m1-m9", "delay": "1ms"}]),
        ['links.override[0].link: got "m1-m9"; want a link'],
    ),
    (
        "unknown preset",
        setting("links.override", [{"link": "m1-m2", "preset": "starlink"}]),
        ['links.override[0].preset: got "starlink"; want a preset: radio, access, backhaul,'],
    ),
    ("no list", setting("links.override", {"link": "m1-m2"}), ["links.override: got {'link': 'm1-m2'}; want a list"]),
    (
        "a name that nobody knows",
        setting("services.portal.names", ["portal.example"]),
        ["services.portal.names: got portal.example, and no name server; want a service with dns: true"],
    ),
    (
        "two services with one name, and two name servers",
        lambda data: [each.update(dns=True, names=["portal.example"]) for each in data["services"].values()],
        [
            "services.archive.dns: got true, as portal has; want one name server",
            'services.archive.names[0]: got "portal.example", as portal is called; want each name once',
        ],
    ),
    (
        "what is no name",
        setting("services.portal.names", ["Portal"]),
        ['services.portal.names[0]: got "Portal"; want a name of two labels or more of a-z, 0-9 and "-"'],
    ),
    ("no hosts", setting("services.portal.hosts", []), ["services.portal.hosts: got []; want at least 1 of them"]),
    (
        "two steps in one",
        setting("timeline.1.reset", {"links": ["m1-m2"]}),
        ["timeline[1].reset: got a key of another kind than those beside it; want keys of one kind"],
    ),
    (
        "an impairment without any",
        setting("timeline.1", {"impair": {"links": ["m1-m2"]}, "as": "insertion"}),
        ["timeline[1].impair: got {'links': ['m1-m2']}; want something that changes, such as delay: 20ms"],
    ),
    (
        "unknown metric with a unit",
        setting("expect.0", "before.ue1-portal.rtt.p50 > 20 ms"),
        ['expect[0]: got "rtt.p50"; want a metric of ue1-portal: longest_gap_ms, loss,'],
    ),
    (
        "same link twice",
        setting("links.override", [{"link": "m1-m2"}, {"link": "m1-m2"}]),
        ['links.override[1].link: got "m1-m2" a second time'],
    ),
    (
        "overlapping pool",
        setting("core.dnns.internet.pool", "10.10.0.0/16"),
        ['core.dnns.internet.pool: got "10.10.0.0/16"; want an address clear of 10.10.0.0/16 (DC LANs of the plan)'],
    ),
    (
        "same service address",
        setting("services.archive.address", "203.0.113.10"),
        ['services.archive.address: got "203.0.113.10"; want an address clear of 203.0.113.10/32 (services.portal'],
    ),
    (
        "MTU too small",
        setting("links.override", [{"link": "m1-m2", "mtu": 1500}]),
        ["links.override[0].mtu: got 1500; want at least 1544 on m1-m2: core.ue_mtu 1500 + 44 of GTP-U"],
    ),
    ("second session", setting("core.sessions.1.ue", "ue1"), ['core.sessions[1].ue: got "ue1" a second time']),
    (
        "expectation on nothing measured",
        setting("expect", ["before.ue9.rtt_ms.p50 > 1 ms"]),
        ['expect[0]: got "ue9"; want a probe, a flow or an application'],
    ),
    (
        "expectation on no window",
        setting("expect", ["befor.ue1-portal.rtt_ms.p50 > 1 ms"]),
        ['expect[0]: got "befor"; want a window of the timeline: before, insertion, edge, removal, after (did'],
    ),
    (
        "expectation on no metric",
        setting("expect", ["before.ue1-portal.rtt_ms.p42 > 1 ms"]),
        ['expect[0]: got "rtt_ms.p42"; want a metric of ue1-portal'],
    ),
    ("no expectation", setting("expect", ["fast please"]), ['expect[0]: got "fast please"; want "WINDOW.NAME.METRIC']),
    (
        "unknown step",
        setting("timeline.0", {"dance": "tango"}),
        ["timeline[0]: got {'dance': 'tango'}; want a step with one of the keys measure, insert_ulcl, remove_ulcl"],
    ),
    (
        "a step on no link",
        lambda data: data["timeline"].extend(
            [
                {"impair": {"links": ["m1-m2", "m1-m9"], "delay": "1ms"}, "as": "a"},
                {"link": {"name": "m9-m8", "state": "down"}, "as": "b"},
                {"ramp": {"links": ["gnb1"], "loss": {"from": "0%", "to": "1%"}, "over": "1s"}, "as": "c"},
                {"reset": {"links": ["x-y"]}, "as": "d"},
            ]
        ),
        [
            'timeline[5].impair.links[1]: got "m1-m9"; want a link',
            'timeline[6].link.name: got "m9-m8"; want a link',
            'timeline[7].ramp.links[0]: got "gnb1"; want a link',
            'timeline[8].reset.links[0]: got "x-y"; want a link',
        ],
    ),
    (
        "an impairment that means nothing",
        setting("timeline.0", {"impair": {"links": ["m1-m2"], "up": {"loss": "200%"}}, "as": "a"}),
        ['timeline[0].impair.up.loss: got "200%"; want a share'],
    ),
    (
        "an unknown preset in a step",
        setting("timeline.0", {"impair": {"links": ["m1-m2"], "preset": "mars"}, "as": "a"}),
        ['timeline[0].impair.preset: got "mars"; want a preset'],
    ),
    (
        "a ramp to nowhere",
        setting("timeline.0", {"ramp": {"links": ["m1-m2"], "delay": {"from": "1ms"}, "over": "1s"}, "as": "a"}),
        ["timeline[0].ramp.delay.to: got nothing; want this key"],
    ),
    (
        "a ramp of nothing",
        setting("timeline.0", {"ramp": {"links": ["m1-m2"], "over": "1s"}, "as": "a"}),
        ["timeline[0].ramp: got {'links': ['m1-m2'], 'over': '1s'}; want at least one of delay, jitter, loss"],
    ),
    (
        "a ramp that is too fast",
        setting(
            "timeline.0",
            {
                "ramp": {"links": ["m1-m2"], "delay": {"from": "1ms", "to": "2ms"}, "over": "1s", "steps": 500},
                "as": "a",
            },
        ),
        ["timeline[0].ramp.steps: got 500; want at least 10ms for each step"],
    ),
    (
        "neither up nor down",
        setting("timeline.0", {"link": {"name": "m1-m2", "state": "sideways"}, "as": "a"}),
        ["timeline[0].link.state: got \"sideways\"; want 'up' or 'down'"],
    ),
    (
        "no MTU for a running link",
        setting("timeline.0", {"impair": {"links": ["m1-m2"], "mtu": 1500}, "as": "a"}),
        ["timeline[0].impair.mtu: got an unknown key; want one of corrupt, delay"],
    ),
    (
        "same window twice",
        setting("timeline.2.measure", "before"),
        ['timeline[2].measure: got "before" a second time', 'expect[1]: got "edge"'],
    ),
    (
        "removal before insertion",
        lambda data: data["timeline"].pop(1),
        ['timeline[2].remove_ulcl.ue: got "ue1"; want a UE for which a UL CL was inserted before'],
    ),
    (
        "the PSA as UL CL",
        setting("timeline.1.insert_ulcl.upf", "upf-cloud"),
        ['timeline[1].insert_ulcl.upf: got "upf-cloud", the PSA of the session; want another UPF'],
    ),
    (
        "a probe without a session",
        lambda data: data["core"]["sessions"].pop(1),
        ['probes.ue2-portal.from: got "ue2"; want a UE with a session in core.sessions'],
    ),
    (
        "a counter on a link of another router",
        setting("flows.portal-backbone.links", ["pe1-guangzhou", "m1-m2"]),
        ['flows.portal-backbone.links[1]: got "m1-m2"; want a link of pe1: '],
    ),
    (
        "a counter on a link twice",
        setting("flows.portal-backbone.links", ["pe1-guangzhou", "pe1-guangzhou"]),
        ['flows.portal-backbone.links[1]: got "pe1-guangzhou" a second time'],
    ),
    ("a counter on no link", setting("flows.portal-backbone.links", []), ["flows.portal-backbone.links: got []"]),
    (
        "a counter for a user without a session",
        lambda data: (data["core"]["sessions"].pop(0), data.update(timeline=[], expect=[])),
        ['flows.portal-backbone.ue: got "ue1"; want a UE with a session in core.sessions'],
    ),
    (
        "a counter with the name of a probe",
        lambda data: data["flows"].update({"ue1-portal": data["flows"]["portal-backbone"]}),
        ["flows.ue1-portal: got the name of a probe; want a name of its own"],
    ),
    (
        "two captures of one interface",
        lambda data: data["captures"].append(data["captures"][0]),
        ['captures[8]: got "lan-cloud-smf" at smf a second time; want each interface and peer once'],
    ),
    ("a multicast pool", setting("core.dnns.internet.pool", "224.0.0.0/8"), ["core.dnns.internet.pool: got"]),
    ("a link-local service", setting("services.portal.address", "169.254.0.1"), ["services.portal.address: got"]),
    ("a guard beyond reason", setting("core.guard", "100s"), ["core.guard: got"]),
    (
        "requests without a pause",
        setting("probes.ue1-portal-http.interval", "1ns"),
        ["probes.ue1-portal-http.interval"],
    ),
    ("an absurd seed", setting("seed", 2**80), ["seed: got"]),
    (
        "milliseconds against a share",
        setting("expect", ["before.ue1-portal.rtt_ms.p50 > before.ue1-portal.loss"]),
        ['expect[0]: got "before.ue1-portal.rtt_ms.p50 > before.ue1-portal.loss"; want a bound in ms, as rtt_ms.p50'],
    ),
    (
        "a capture's peer without an address",
        setting("captures.2.peer", "ue1"),
        ['captures[2].peer: got "ue1"; want a node with an address of the plan'],
    ),
    (
        "a pool that is too small",
        setting("core.dnns.internet.pool", "10.45.0.0/30"),
        ['core.dnns.internet.pool: got "10.45.0.0/30", for 1 UEs; want a pool for 2 of them'],
    ),
    (
        "a service address that nobody can have",
        setting("services.portal.address", "255.255.255.255"),
        ['services.portal.address: got "255.255.255.255"; want a unicast address'],
    ),
    ("no step", setting("timeline.0", None), ["timeline[0]: got None; want a step with one of the keys measure"]),
    ("missing key", lambda data: data["services"]["portal"].pop("address"), ["services.portal.address: got nothing"]),
    (
        "wrong type",
        setting("probes.ue1-portal.rate", "many"),
        ['probes.ue1-portal.rate: got "many"; want a valid integer'],
    ),
    ("no topology", lambda data: data.pop("topology"), ["topology: got nothing; want this key"]),
    (
        "bad name",
        setting("services", {"Bad Name": {}}),
        ['services.Bad Name: got "Bad Name"; want a name of at most 15 characters of a-z, 0-9 and "-" that begins'],
    ),
    (
        "bad label",
        setting("name", "Local_Breakout"),
        ['name: got "Local_Breakout"; want a name of at most 40 characters of a-z, 0-9 and "-" that begins with'],
    ),
    (
        "no kind of probe",
        setting("probes.ue1-portal.kind", "stampp"),
        ["probes.ue1-portal.kind: got \"stampp\"; want 'stamp', 'http'"],
    ),
    (
        "a probe without a kind",
        lambda data: data["probes"]["ue1-portal"].pop("kind"),
        ["probes.ue1-portal.kind: got nothing; want this key, which has to be there"],
    ),
    (
        "a number out of bounds",
        setting("core.dnns.internet.sst", -1),
        ["core.dnns.internet.sst: got -1; want a value greater than or equal to 0"],
    ),
    (
        "a misspelt key inside",
        setting("core.dnns.internet.poool", "x"),
        ['core.dnns.internet.poool: got an unknown key; want one of pool, psa, qfi, sst (did you mean "pool"?)'],
    ),
    (
        "links probed too often",
        setting("links", {"probe": "1ms"}),
        ['links.probe: got "1ms"; want an interval from "10ms" to "60s", or off'],
    ),
    (
        "queues that mean nothing in a step",
        lambda data: data["timeline"].extend(
            [
                {"impair": {"links": ["lan-edge-mec1"], "queue": "9ms"}, "as": "a"},
                {"impair": {"links": ["m1-m2", "m2-m3"], "queue": "9kB"}, "as": "b"},
                {"impair": {"links": ["m1-m2"], "down": {"rate": "1kbit", "queue": "100 packets"}}, "as": "c"},
                {"impair": {"links": ["lan-edge-mec1"], "up": {"queue_discipline": "codel"}}, "as": "d"},
                {"impair": {"links": ["m3-m4"], "queue": "100 packets"}, "as": "e"},
                {"impair": {"links": ["m3-m4"], "rate": "1kbit"}, "as": "f"},
            ]
        ),
        [
            'timeline[5].impair.queue: got "9ms" without a rate; want a `rate` with it',
            'timeline[6].impair.queue: got "9000B"; want at least one frame: 9014B at MTU 9000',
            'timeline[7].impair.down.queue: got "100 packets", which takes 7,211 s at this rate; want a queue of',
            'timeline[8].impair.up.queue_discipline: got "9ms" without a rate',
            'timeline[10].impair.rate: got "1kbit" with a queue of "100 packets", which takes 7,211 s',
        ],
    ),
]


@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_problem(change: Change, expected: list[str]) -> None:
    found = [str(problem) for problem in problems(changed(change))]
    for start in expected:
        assert any(text.startswith(start) for text in found), found
    if not expected:
        assert not found


def test_all_problems_at_once_and_no_complaint_about_what_was_left_out() -> None:
    def change(data: dict[str, Any]) -> None:
        data["links"] = {"tiers": {"radio": {"delay": "-1ms"}, "metro": {"rate": "10gb"}}}
        data["services"]["archive"]["address"] = "nowhere"
        data["core"]["sessions"][1]["ue"] = "ue7"
        data["timeline"][0]["for"] = "8 parsecs"
        data["expect"].append("nonsense")

    found = [problem.where for problem in problems(changed(change))]
    assert sorted(found) == sorted(
        [
            "links.tiers.radio.delay",
            "links.tiers.metro.rate",
            "services.archive.address",
            "core.sessions[1].ue",
            "timeline[0].for",
            "expect[17]",
            "probes.ue2-portal.from",
        ]
    )


def test_indices_are_those_of_the_file() -> None:
    def change(data: dict[str, Any]) -> None:
        data["expect"] = ["nonsense", "before.ue9.loss < 1 %", "more nonsense", "before.ue8.loss < 1 %"]

    found = [problem.where for problem in problems(changed(change))]
    assert sorted(found) == ["expect[0]", "expect[1]", "expect[2]", "expect[3]"]


def test_a_queue_for_a_rate_that_an_earlier_step_set_is_right() -> None:
    steps = [
        {"impair": {"links": ["lan-edge-mec1"], "rate": "10Mbit"}, "as": "a"},
        {"impair": {"links": ["lan-edge-mec1"], "queue": "20 packets"}, "as": "b"},
    ]
    assert problems(changed(lambda data: data["timeline"].extend(steps))) == ()


def test_alike_links_of_a_step_have_one_problem() -> None:
    step = {"impair": {"links": ["m1-m2", "m2-m3"], "queue": "9kB"}, "as": "a"}
    assert len(problems(changed(lambda data: data["timeline"].append(step)))) == 1


def test_links_with_addresses_have_room_for_ipv6_and_others_need_none() -> None:
    def change(data: dict[str, Any]) -> None:
        data["core"]["ue_mtu"] = 1000
        data["links"] = {
            "tiers": {"radio": {"mtu": 1000}, "metro": {"mtu": 1279}},
            "override": [{"link": "lan-edge-mec1", "mtu": 1200}, {"link": "gnb1-csr1", "mtu": 1280}],
        }

    found = {problem.where: (problem.got, problem.want) for problem in problems(changed(change))}
    assert found == {
        "links.override[0].mtu": ("1200", "1280 at least on lan-edge-mec1, whose ends have IPv6 addresses"),
        "links.tiers.metro.mtu": ("1279", "1280 at least on agg1-m1, whose ends have IPv6 addresses"),
    }


@pytest.mark.parametrize(("key", "misspelt"), [("services", "serivces"), ("topology", "topolgy"), ("core", "coer")])
def test_what_refers_to_a_misspelt_section_is_no_problem(key: str, misspelt: str) -> None:
    (found,) = problems(changed(lambda data: data.update({misspelt: data.pop(key)})))
    assert (found.where, found.got, found.hint) == (misspelt, "an unknown key", f'did you mean "{key}"?')


def test_what_a_misspelt_key_stands_for_is_not_missing() -> None:
    def change(data: dict[str, Any]) -> None:
        data["services"]["archive"]["adress"] = data["services"]["archive"].pop("address")

    (found,) = problems(changed(change))
    assert str(found) == (
        'services.archive.adress: got an unknown key; want one of address, dns, hosts, names (did you mean "address"?)'
    )


@pytest.mark.parametrize(("path", "value"), [("name", 5), ("core.dnns.internet.qfi", 64), ("topology", 7)])
def test_one_mistake_is_one_problem(path: str, value: object) -> None:
    (found,) = problems(changed(setting(path, value)))
    assert found.where == path
