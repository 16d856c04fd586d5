"""An overlay that cannot be → the message that it gets, with the path into the file."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.support.scenario import SCENARIOS, problems

DATA: dict[str, Any] = yaml.safe_load((SCENARIOS / "sdwan-failover.yml").read_text(encoding="utf-8"))
Change = Callable[[dict[str, Any]], object]


def found(change: Change) -> list[str]:
    data = copy.deepcopy(DATA)
    change(data["sdwan"])
    # What nobody can reach any more is another matter.
    return [str(problem) for problem in problems(data) if problem.where.startswith("sdwan")]


CASES: list[tuple[str, Change, list[str]]] = [
    ("nothing wrong", lambda sdwan: None, []),
    (
        "a class that is not there",
        lambda sdwan: sdwan["applications"]["machines"].update({"class": "controll"}),
        ['sdwan.applications.machines.class: got "controll"; want a class of sdwan.classes: '],
    ),
    (
        "a transport that is not there",
        lambda sdwan: sdwan["classes"]["bulk"].update(transports=["lte"]),
        ['sdwan.classes.bulk.transports[0]: got "lte"; want a transport: '],
    ),
    (
        "jitter above delay",
        lambda sdwan: sdwan["classes"]["control"]["sla"].update(jitter="31ms"),
        ["sdwan.classes.control.sla: got 31 ms of jitter within 30 ms of delay; want a jitter below the delay"],
    ),
    (
        "more lost than sent",
        lambda sdwan: sdwan["classes"]["control"]["sla"].update(loss="101%"),
        ['sdwan.classes.control.sla.loss: got "101%"; want'],
    ),
    (
        "a CPE in no transport",
        lambda sdwan: [each["links"].pop(0) for each in sdwan["transports"].values()],
        ["sdwan.transports: got cpe-edge, which is attached to nothing; want a link of cpe-edge in one of them"],
    ),
    (
        "a link in two transports",
        lambda sdwan: sdwan["transports"]["internet"]["links"].append("shanghai-cpe-edge"),
        [
            'sdwan.transports.internet.links[2]: got "shanghai-cpe-edge", which private has; want each link in one',
            'sdwan.transports.internet.links[2]: got "shanghai-cpe-edge", beside internet-cpe-edge; want one link of',
        ],
    ),
    (
        "two tenants with one VNI",
        lambda sdwan: sdwan.update(
            tenants={
                "red": {"vni": 7, "attach": ["cpe-edge-edge"]},
                "blue": {"vni": 7, "attach": ["cpe-cloud-cloud"]},
            }
        ),
        ["sdwan.tenants.blue.vni: got 7, which red has; want a VNI of its own"],
    ),
    (
        "one LAN of two tenants",
        lambda sdwan: sdwan.update(
            tenants={
                "red": {"vni": 7, "attach": ["cpe-edge-edge"]},
                "blue": {"vni": 8, "attach": ["cpe-edge-edge"]},
            }
        ),
        ['sdwan.tenants.blue.attach[0]: got "cpe-edge-edge", which red has; want each link in one tenant'],
    ),
    (
        "a hub that is no CPE",
        lambda sdwan: sdwan.update(hubs=["shanghai"]),
        ['sdwan.hubs[0]: got "shanghai"; want a CPE: '],
    ),
    (
        "a mode that moves policies that there are not",
        lambda sdwan: sdwan.update(mode="joint"),
        ['sdwan.mode: got "joint", without tunnels that ride policies; want a transport with colors'],
    ),
    (
        "a balance that no plan keeps",
        lambda sdwan: (sdwan["classes"]["bulk"].update(forwarding="balance"), sdwan.update(mode="underlay")),
        [
            'sdwan.mode: got "underlay", without',
            'sdwan.classes.bulk.forwarding: got "balance", with the mode underlay; want preferred or cheapest: ',
        ],
    ),
    (
        "answers that are given up while the tunnel is good enough",
        lambda sdwan: sdwan["classes"]["video"]["sla"].update(delay="60ms"),
        [
            "sdwan.probing.timeout: got 100 ms, with tunnels of 60 ms each way good enough for video; "
            "want 120 ms at least: an answer that is later is none"
        ],
    ),
    (
        "answers that cannot come in time",
        lambda sdwan: (
            sdwan["probing"].update(timeout="20ms"),
            [each.pop("sla", 0) for each in sdwan["classes"].values()],
        ),
        ["sdwan.probing.timeout: got 20 ms, with 24 ms there and back on links of internet alone; want more than that"],
    ),
    (
        "more bandwidth than anything carries",
        lambda sdwan: sdwan["classes"]["bulk"].update(sla={"bandwidth": "600Mbit"}),
        ["sdwan.classes.bulk.sla.bandwidth: got 600 Mbit/s; want at most 500 Mbit/s: none of its transports"],
    ),
    (
        "a limit below what is to be free",
        lambda sdwan: sdwan["classes"]["bulk"].update(sla={"bandwidth": "20Mbit"}, limit="10Mbit"),
        ["sdwan.classes.bulk: got "],
    ),
    (
        "a client that is not there",
        lambda sdwan: sdwan["applications"]["machines"].update({"from": "egde"}),
        ['sdwan.applications.machines.from: got "egde"; want a service or a node ('],
    ),
    (
        "a client's port of no protocol",
        lambda sdwan: sdwan["applications"]["machines"].update(client_port=5004),
        ["sdwan.applications.machines: got "],
    ),
    (
        "a domain's client",
        lambda sdwan: sdwan["applications"].update(site={"class": "bulk", "domain": "a.example", "from": "edge"}),
        ["sdwan.applications.site: got "],
    ),
    (
        "windows without a probe",
        lambda sdwan: sdwan["probing"].update(interval="1s"),
        ["sdwan.probing: got "],
    ),
    (
        "a server by its name and by another",
        lambda sdwan: sdwan["applications"]["machines"].update(domain="machine.example"),
        ["sdwan.applications.machines: got {'class': 'control', 'to': 'machine', 'domain': 'machine.example'}"],
    ),
    (
        "names that DNS does not have",
        lambda sdwan: sdwan["applications"].update(
            {f"by-name{i}": {"class": "bulk", "domain": name} for i, name in enumerate(("*.*.example", "a_b.example"))}
        ),
        [
            'sdwan.applications.by-name0.domain: got "*.*.example"; want a name of two labels or more of a-z, 0-9 and',
            'sdwan.applications.by-name1.domain: got "a_b.example"; want a name of two labels or more of a-z, 0-9 and',
        ],
    ),
    (
        "an application by the name that another has",
        lambda sdwan: sdwan["applications"].update(
            {name: {"class": "bulk", "domain": "*.video.example"} for name in ("one", "two")}
        ),
        ["sdwan.applications.two: got what one is, too; want flows that no application before it has"],
    ),
]


@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_problem(change: Change, expected: list[str]) -> None:
    texts = found(change)
    for start in expected:
        assert any(text.startswith(start) for text in texts), texts
    assert len(texts) == len(expected), texts


def test_all_problems_at_once() -> None:
    def change(sdwan: dict[str, Any]) -> None:
        for _, each, _ in (*CASES[1:4], *CASES[6:8]):
            each(sdwan)

    want = [start for _, _, starts in (*CASES[1:4], *CASES[6:8]) for start in starts]
    texts = found(change)
    assert [start for start in want if not any(text.startswith(start) for text in texts)] == []


def test_tunnels_need_room_for_their_headers_around_the_least_that_ipv6_wants() -> None:
    data = copy.deepcopy(DATA)
    data["links"]["override"][0]["mtu"] = 1335
    (problem,) = problems(data)
    assert (problem.where, problem.got) == ("sdwan.transports.internet", "links of MTU 1335")
    assert problem.want == "1336 at least: 56 for VXLAN, 1280 for IPv6"
    data["links"]["override"][0]["mtu"] = 1336
    assert problems(data) == ()


def test_probes_may_be_of_a_service_with_an_ipv6_address() -> None:
    data = copy.deepcopy(DATA)
    data["services"]["machine"]["address"] = "2001:db8::11"
    assert problems(data) == ()
