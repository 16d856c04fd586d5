"""The nftables text for counted flows, and counters read back. That it counts right is shown in tests/netns."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest

from traffic.flowcount import Count, CountedFlow, FlowCount, parse_counters, ruleset

FLOW = CountedFlow("anycast", "m1", IPv4Address("10.60.0.1"), IPv4Address("203.0.113.10"))


def listing(*counters: dict[str, Any]) -> str:
    metainfo = {"metainfo": {"version": "1.0.6", "json_schema_version": 1}}
    return json.dumps({"nftables": [metainfo, *({"counter": counter} for counter in counters)]})


def counter(name: str, packets: int, octets: int) -> dict[str, Any]:
    return {"family": "inet", "name": name, "table": "bearerlab", "handle": 2, "packets": packets, "bytes": octets}


def test_every_flow_has_two_counters_of_its_own() -> None:
    other = CountedFlow("cloud-only", "m1", FLOW.ue, IPv4Address("203.0.113.20"))
    text = ruleset([FLOW, other])
    for name in ("anycast_up", "anycast_down", "cloud-only_up", "cloud-only_down"):
        assert text.count(f"  counter {name} {{ }}") == 1
        assert text.count(f"counter name {name}\n") == 8


def test_earlier_rules_are_replaced_in_one_transaction() -> None:
    assert ruleset([]).startswith("table inet bearerlab { }\ndelete table inet bearerlab\ntable inet bearerlab {\n")


@pytest.mark.parametrize("name", ["", "1st", "a b", "a;b", 'a"', "a{"])
def test_name_that_nftables_would_not_take_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name of a counted flow: got"):
        CountedFlow(name, "m1", FLOW.ue, FLOW.service)


def test_counters_are_paired_by_flow() -> None:
    text = listing(counter("a_up", 1, 100), counter("b_up", 3, 300), counter("a_down", 2, 200), counter("b_down", 0, 0))
    assert parse_counters(text) == {
        "a": FlowCount(Count(1, 100), Count(2, 200)),
        "b": FlowCount(Count(3, 300), Count(0, 0)),
    }


@pytest.mark.parametrize("text", ["", "Error: No such file or directory", "{}", "[]", listing(counter("a_up", 1, 1))])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="want what `nft -j list counters table inet bearerlab` prints"):
        parse_counters(text)
