"""Packets and bytes for each local SID, which the kernel counts for routes that were added with `count`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network

from controllers.kernel.commands import Command, run
from controllers.srv6.fib import PROTOCOL


@dataclass(frozen=True)
class SidCounters:
    """What came for a SID at `router`; `errors` are packets that its behaviour could not be done to."""

    router: str
    sid: IPv6Network
    behavior: str
    packets: int
    bytes: int
    errors: int


def read_counters(namespaces: Mapping[str, str]) -> tuple[SidCounters, ...]:
    """The counters of all SIDs of these routers (router → namespace), without those that are gone; CommandError."""
    argv = ("ip", "-6", "-s", "-j", "route", "show", "table", "all", "proto", str(PROTOCOL))
    done = run(Command(namespace, argv) for namespace in namespaces.values())
    return tuple(
        counters
        for router, each in zip(namespaces, done, strict=True)
        if not each.gone
        for counters in sid_counters(router, each.checked())
    )


def sid_counters(router: str, text: str) -> tuple[SidCounters, ...]:
    """The counters in the output of `ip -6 -s -j route show`."""
    return tuple(
        SidCounters(router, IPv6Network(route["dst"]), route["action"], **route["stats64"])
        for route in json.loads(text or "[]")
        if "stats64" in route
    )
