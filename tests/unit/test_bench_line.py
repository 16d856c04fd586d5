from __future__ import annotations

import json

from testbed.bench.boot import line
from testbed.bench.figures import Bench, Figure, Host
from testbed.graph import Role


def test_a_line_is_routers_in_a_row_each_with_a_host() -> None:
    plan = line(6)
    assert [link.name for link in plan.links] == ["r0-h0", "r1-h1", "r2-h2", "r0-r1", "r1-r2"]
    assert [node.role for node in plan.nodes] == [Role.ROUTER, Role.HOST] * 3
    assert [port.name for port in plan.node("r1").interfaces] == ["h1", "r0", "r2"]
    for link in plan.links:
        for end in (link.a, link.b):
            assert plan.node(end.node).interface(end.ifname)


def test_addresses_of_a_line_are_unique() -> None:
    ports = [port for node in line(100).nodes for port in node.interfaces]
    assert len({port.mac for port in ports}) == len({port.addresses for port in ports}) == len(ports) == 198


def test_a_result_has_the_published_shape() -> None:
    result = Bench("boot", Host(2, "6.1", "3.11", 0.0), (Figure("start_s", 1.0, "s", 4.0), Figure("x", 2.0, "ratio")))
    assert json.loads(json.dumps(result.as_json()))["figures"] == [
        {"name": "start_s", "value": 1.0, "unit": "s", "baseline": 4.0, "ratio": 0.25},
        {"name": "x", "value": 2.0, "unit": "ratio", "baseline": None, "ratio": None},
    ]
