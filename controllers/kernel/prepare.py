"""What a router needs once, before it has routes: settings, the anchor, VRFs, borders, and the marks of steered flows.

All of it may be there already, from a controller before: then nothing changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from ipaddress import IPv6Address
from pathlib import Path

from controllers.kernel.commands import Command, CommandError, Done, ip_batch, refused, run
from controllers.srv6.fib import ANCHOR, Mark, RouterState
from controllers.srv6.network import FlowMatch, Router
from testbed.lab.kernel import write_sysctls
from testbed.netns import entered, exists

NFT_TABLE = "srv6"

ICMP, ICMPV6 = 1, 58

_SYSCTLS = {
    # Flows of one pair of hosts are spread over equal paths and segment lists too.
    "ipv4/fib_multipath_hash_policy": 1,
    "ipv6/fib_multipath_hash_policy": 1,
    # A link that comes back has its addresses.
    "ipv6/conf/all/keep_addr_on_down": 1,
}

_STRICT_VRF = {"vrf/strict_mode": 1}
"""Without it a table could belong to several VRFs, and End.DT46 is refused."""

_ALREADY = frozenset({"File exists"})


def prepare(routers: Iterable[Router], states: Mapping[str, RouterState], mtu: int) -> None:
    """Prepare `routers` for their `states`, on links of `mtu` bytes; those that are gone are passed over.

    CommandError for what a kernel refuses, HostError for a setting that it does not have.
    """
    there = [router for router in routers if exists(router.namespace)]
    for router in there:
        # First: an interface that comes into a VRF would lose its addresses.
        _write(router, _SYSCTLS)
    for done in run(command for router in there for command in _commands(router, states, mtu)):
        _check(done)
    for router in there:
        vrfs = router.name in states and states[router.name].vrfs
        _write(router, _STRICT_VRF if vrfs else {}, seg6=True)


def _write(router: Router, settings: Mapping[str, int], *, seg6: bool = False) -> None:
    """Nothing if the router has gone meanwhile."""
    with suppress(FileNotFoundError), entered(router.namespace):
        write_sysctls({**settings, **(_seg6_sysctls() if seg6 else {})})


def _commands(router: Router, states: Mapping[str, RouterState], mtu: int) -> tuple[Command, Command]:
    state = states.get(router.name, RouterState())
    devices = ip_batch(router.namespace, tuple(device_lines(router.loopback, state, mtu)))
    return devices, Command(router.namespace, ("nft", "-f", "-"), steering_script(state))


def device_lines(loopback: IPv6Address, state: RouterState, mtu: int) -> Iterator[str]:
    """Lines for `ip -batch`; those that add are refused where it is there already."""
    # Nothing is sent there, but packets of the router itself take its MTU for that of their way.
    yield f"link add {ANCHOR} type bridge"
    yield f"link set {ANCHOR} mtu {mtu} up"
    yield f"sr tunsrc set {loopback}"
    for vrf, (table, interfaces) in state.vrfs.items():
        yield f"link add {vrf} type vrf table {table}"
        yield f"link set {vrf} up"
        yield from (f"link set dev {interface} master {vrf}" for interface in interfaces)


def steering_script(state: RouterState) -> str:
    """The table for `nft -f`, in place of the one before; of several marks for a packet the first is given."""
    dropped = (
        f'iifname "{border.iif}" ip6 daddr {{ {", ".join(map(str, border.prefixes))} }} counter drop'
        for border in state.borders
    )
    marked = (rule for mark in state.marks for rule in _nft_rules(mark))
    rules = "".join(f"    {rule}\n" for rule in (*dropped, *marked))
    chain = f"  chain steer {{\n    type filter hook prerouting priority mangle\n{rules}  }}\n"
    return f"table inet {NFT_TABLE}\ndelete table inet {NFT_TABLE}\ntable inet {NFT_TABLE} {{\n{chain}}}\n"


def _nft_rules(mark: Mark) -> Iterator[str]:
    """One rule, or one for each version of IP where DSCP is all that is known."""
    match = mark.match
    versions = {prefix.version for prefix in (match.source, match.destination) if prefix is not None}
    for family in _families(match, versions):
        parts = [f'iifname "{mark.iif}"', *_nft_matches(match, family), f"meta mark set {mark.mark} accept"]
        yield " ".join(parts)


def _families(match: FlowMatch, versions: Collection[int]) -> tuple[str, ...]:
    if versions:
        return tuple("ip" if version == 4 else "ip6" for version in sorted(versions))
    return ("ip", "ip6") if match.dscp is not None else ("",)


def _nft_matches(match: FlowMatch, family: str) -> Iterator[str]:
    if match.dscp is not None:
        yield f"{family} dscp {match.dscp}"
    if match.source is not None:
        yield f"{family} saddr {match.source}"
    if match.destination is not None:
        yield f"{family} daddr {match.destination}"
    if match.protocol is not None:
        # To who asks for ICMP, that of IPv6 is the same.
        protocol = f"{{ {ICMP}, {ICMPV6} }}" if match.protocol == ICMP else match.protocol
        yield f"meta l4proto {protocol}"
    if match.source_port is not None:
        yield f"th sport {match.source_port}"
    if match.destination_port is not None:
        yield f"th dport {match.destination_port}"


def _seg6_sysctls() -> dict[str, int]:
    """That every interface of the namespace takes packets with an SRH, and those to come."""
    return {f"ipv6/conf/{path.name}/seg6_enabled": 1 for path in Path("/proc/sys/net/ipv6/conf").iterdir()}


def _check(done: Done) -> None:
    """CommandError for anything but what is there already."""
    if done.gone:
        return
    if done.command.argv[0] != "ip":
        done.checked()
    elif wrong := [each for each in refused(done) if each.message not in _ALREADY]:
        lines = "; ".join(f"`ip {each.line}`: {each.message}" for each in wrong)
        raise CommandError(f"{done.command.namespace}: {lines}")
