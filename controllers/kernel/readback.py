"""What a router's kernel has of us: `ip -json` read into the values that `fib.route_line` writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from controllers.kernel.commands import Command, CommandError, Done, run
from controllers.srv6.fib import (
    MAIN_TABLE,
    PROTOCOL,
    Encap,
    FibRoute,
    LocalSid,
    NextHop,
    RouterState,
    Rule,
)
from controllers.srv6.sids import Behavior, Flavor

Json = Mapping[str, Any]

_TABLES = {"main": MAIN_TABLE, "local": 255, "default": 253}
_DEFAULT = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}
_BEHAVIORS = {str(behavior): behavior for behavior in Behavior}
_FLAVORS = {flavor.lower(): flavor for flavor in Flavor}
_SID_BITS = 16
_OURS = str(PROTOCOL)


def read_routers(namespaces: Mapping[str, str]) -> dict[str, RouterState | CommandError]:
    """Router → what its kernel has of us, without marks and VRFs, or why it cannot be read (NamespaceGoneError)."""
    asked = _questions()
    done = iter(run(Command(namespace, argv) for namespace in namespaces.values() for argv in asked))
    return {router: _state_or_error([next(done) for _ in asked]) for router in namespaces}


def read_router(namespace: str) -> RouterState:
    """What one router has; CommandError, or NamespaceGoneError."""
    return _state(run(Command(namespace, argv) for argv in _questions()))


def router_state(routes: Mapping[int, str], rules: Mapping[int, str]) -> RouterState:
    """The state in the output of `ip -j -d -N route show table all proto 66` and `ip -j -N rule`; N → output."""
    found = [_route(each, version) for version, text in routes.items() for each in _objects(text)]
    ours = (_rule(each, version) for version, text in rules.items() for each in _objects(text) if _is_ours(each))
    return RouterState({route.key: route for route in found}, frozenset(ours))


def _questions() -> tuple[tuple[str, ...], ...]:
    routes = [("ip", f"-{version}", "-j", "-d", "route", "show", "table", "all", "proto", _OURS) for version in (4, 6)]
    # -d: who has made a rule is a detail.
    return (*routes, *(("ip", f"-{version}", "-j", "-d", "rule") for version in (4, 6)))


def _state_or_error(answers: Sequence[Done]) -> RouterState | CommandError:
    try:
        return _state(answers)
    except CommandError as error:
        return error


def _state(answers: Sequence[Done]) -> RouterState:
    routes4, routes6, rules4, rules6 = (answer.checked() for answer in answers)
    return router_state({4: routes4, 6: routes6}, {4: rules4, 6: rules6})


def _objects(text: str) -> Iterable[Json]:
    # `ip` prints nothing at all where a table is not there.
    return json.loads(text, object_pairs_hook=_unambiguous) if text.strip() else ()


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """End.DT6 has a table, and the route that it is in has one too: under the same key, in this order."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            found[f"sid_{key}"] = found[key]
        found[key] = value
    return found


def _route(route: Json, version: int) -> FibRoute:
    prefix = _DEFAULT[version] if route["dst"] == "default" else ip_network(route["dst"])
    local = _local(route) if route.get("encap") == "seg6local" else None
    nexthops = () if local or route["type"] == "unreachable" else tuple(_nexthops(route))
    return FibRoute(prefix, nexthops, local, _table(route.get("table", "main")), route.get("metric", 0))


def _nexthops(route: Json) -> Iterator[NextHop]:
    for hop in route.get("nexthops", [route]):
        via = ip_address(hop["gateway"]) if "gateway" in hop else None
        encap = Encap(_addresses(hop["segs"]), hop["mode"]) if hop.get("encap") == "seg6" else None
        yield NextHop(hop["dev"], via, hop.get("weight", 1), encap)


def _local(route: Json) -> LocalSid | None:
    """None for a behaviour that is not among ours: what is left of the route is none that anybody wants."""
    if route["action"] not in _BEHAVIORS:
        return None
    nexthop = route.get("nh4") or route.get("nh6")
    table = route.get("sid_table") or route.get("vrftable")
    flavors = frozenset(_FLAVORS[flavor] for flavor in route.get("flavors", ()))
    return LocalSid(
        _BEHAVIORS[route["action"]],
        ip_address(nexthop) if nexthop else None,
        _table(table) if table else None,
        _addresses(route.get("srh", {}).get("segs", ())),
        flavors,
        route.get("nflen", _SID_BITS),
    )


def _rule(rule: Json, version: int) -> Rule:
    mark = int(rule.get("fwmark", "0"), 0)
    to = f"{rule['dst']}/{rule['dstlen']}" if "dstlen" in rule else ""
    return Rule(rule["priority"], _table(rule["table"]), version, rule.get("iif", ""), mark, to)


def _is_ours(rule: Json) -> bool:
    return rule.get("protocol") == _OURS


def _table(table: str | int) -> int:
    return _TABLES[table] if table in _TABLES else int(table)


def _addresses(texts: Iterable[str]) -> tuple[IPv6Address, ...]:
    return tuple(map(IPv6Address, texts))
