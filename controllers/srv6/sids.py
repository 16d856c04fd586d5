"""Locators, SIDs and their behaviours; which SID stands for what, given out by the position of nodes and links.

All is in one F3216 block: 32 bits of block, then C-SIDs of 16 bits (RFC 9800) for node and function. Nodes are
numbered in the global part of the 16-bit space and functions in the local part, so that a C-SID by itself says which
of both it is:

    block : node ::             End, with all flavours; the node's uN
    block : node : e000+n ::    End.X across the node's n-th link        f000+n  End.D*        f800+n  End.B6.Encaps
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv6Address, IPv6Network

from controllers.srv6.lsdb import LinkId

LOCAL_CSIDS = range(0xE000, 0x10000)
"""C-SIDs that mean something at one node only (the LIB); those below, but 0, are nodes (the GIB)."""


class Behavior(StrEnum):
    """What a node does with a packet for the SID (RFC 8986 §4)."""

    END = "End"
    END_X = "End.X"
    END_DX4 = "End.DX4"
    END_DX6 = "End.DX6"
    END_DT4 = "End.DT4"
    END_DT6 = "End.DT6"
    END_DT46 = "End.DT46"
    END_B6_ENCAPS = "End.B6.Encaps"


class Flavor(StrEnum):
    """Where the SRH, or the whole outer header, is taken off (RFC 8986 §4.16), and NEXT-CSID (RFC 9800 §4.1)."""

    PSP = "PSP"
    USP = "USP"
    USD = "USD"
    NEXT_CSID = "NEXT-CSID"


FLAVORED = frozenset({Behavior.END, Behavior.END_X})
"""Behaviours that have flavours: those that a packet passes through."""

FUNCTIONS: dict[Behavior, range] = {
    Behavior.END: range(1),
    Behavior.END_X: range(0xE000, 0xF000),
    **dict.fromkeys(
        (Behavior.END_DX4, Behavior.END_DX6, Behavior.END_DT4, Behavior.END_DT6, Behavior.END_DT46),
        range(0xF000, 0xF800),
    ),
    Behavior.END_B6_ENCAPS: range(0xF800, 0x10000),
}
"""Behaviour → the functions that are given out for it."""


class SidError(ValueError):
    """A SID or locator that cannot be: out of its space, or there already; the message names both."""


@dataclass(frozen=True, order=True)
class Locator:
    """A node's /48: the /32 `block` that all share, and the node's 16 bits."""

    block: IPv6Network
    node_id: int

    def __post_init__(self) -> None:
        if self.block.prefixlen != 32:
            raise SidError(f"block {self.block}: want a /32 (F3216)")
        if not 0 < self.node_id < LOCAL_CSIDS.start:
            raise SidError(f"node {self.node_id:#x} of {self.block}: want 0x1 to {LOCAL_CSIDS.start - 1:#x}")

    @property
    def prefix(self) -> IPv6Network:
        """The prefix that the IGP routes to the node."""
        return IPv6Network((self.address(0), 48))

    def address(self, function: int) -> IPv6Address:
        """The SID of that function; 0 is the node's End."""
        return IPv6Address(int(self.block.network_address) | self.node_id << 80 | function << 64)


@dataclass(frozen=True, order=True)
class Sid:
    """One SID; `context` is what it belongs to: the neighbour of End.X, the tenant of End.D*, the policy's name."""

    locator: Locator
    function: int
    behavior: Behavior
    context: str = ""
    flavors: frozenset[Flavor] = field(default=frozenset(), compare=False)

    def __post_init__(self) -> None:
        want = range(1) if self.behavior is Behavior.END else LOCAL_CSIDS
        if self.function not in want:
            local = f"{LOCAL_CSIDS.start:#x} to {LOCAL_CSIDS.stop - 1:#x}"
            raise SidError(f"{self.behavior} {self.function:#x}: want function 0 for End, {local} for others")
        if self.flavors and self.behavior not in FLAVORED:
            raise SidError(f"{self.behavior} with {', '.join(sorted(self.flavors))}: only End and End.X have flavours")

    @property
    def address(self) -> IPv6Address:
        """The SID as a segment of an SRH."""
        return self.locator.address(self.function)

    @property
    def prefix(self) -> IPv6Network:
        """What the node matches: with NEXT-CSID the C-SIDs that follow are in the address too."""
        if Flavor.NEXT_CSID not in self.flavors:
            return IPv6Network(self.address)
        return IPv6Network((self.address, 64 if self.function else 48))

    @property
    def csids(self) -> tuple[int, ...]:
        """The SID without its block: the node, and the function if it has one."""
        return (self.locator.node_id, self.function) if self.function else (self.locator.node_id,)

    def __str__(self) -> str:
        """`fcbb:bb00:1:e000:: End.X b`."""
        return f"{self.address} {self.behavior} {self.context}".rstrip()


Meaning = tuple[str, Behavior, str]
"""A node, and behaviour and context of a SID there."""


@dataclass(frozen=True)
class SidTable:
    """The SIDs of a network as a value; made by `allocate()`."""

    locators: Mapping[str, Locator]
    sids: Mapping[IPv6Address, Sid]

    def end(self, node: str) -> Sid:
        """The node's End; KeyError if there is no such node."""
        return self.sids[self.locators[node].address(0)]

    def end_x(self, node: str, peer: str) -> Sid:
        """The End.X at `node` across its link to `peer`; KeyError if there is none."""
        return self.find(node, Behavior.END_X, peer)

    def find(self, node: str, behavior: Behavior, context: str = "") -> Sid:
        """The SID at `node` with that behaviour and context; KeyError if there is none."""
        return self._by_meaning[self.locators[node], behavior, context]

    def has(self, node: str, behavior: Behavior, context: str) -> bool:
        """Whether there is a SID at `node` with that behaviour and context; KeyError if there is no such node."""
        return (self.locators[node], behavior, context) in self._by_meaning

    def of_node(self, node: str) -> tuple[Sid, ...]:
        """The SIDs of `node`, by function."""
        return tuple(sorted(sid for sid in self.sids.values() if sid.locator == self.locators[node]))

    def with_sid(self, sid: Sid) -> SidTable:
        """The table with `sid` too. SidError if its address or its meaning is taken, or no node has its locator."""
        if sid.locator not in self.locators.values():
            raise SidError(f"{sid}: no node has the locator {sid.locator.prefix}")
        taken = self.sids.get(sid.address) or self._by_meaning.get((sid.locator, sid.behavior, sid.context))
        if taken is not None:
            raise SidError(f"{sid}: collides with {taken}")
        return SidTable(self.locators, {**self.sids, sid.address: sid})

    def without(self, sid: Sid) -> SidTable:
        """The table in which `sid` is free again."""
        return SidTable(self.locators, {address: each for address, each in self.sids.items() if each != sid})

    def allocate(self, wanted: Iterable[Meaning]) -> SidTable:
        """The table with the first free SID at each node for what is wanted there; SidError if there is none left,
        or one for this already."""
        sids, meant = dict(self.sids), dict(self._by_meaning)
        for node, behavior, context in wanted:
            locator = self.locators[node]
            free = (function for function in FUNCTIONS[behavior] if locator.address(function) not in sids)
            function = next(free, None)
            if function is None:
                raise SidError(f"{node}: no function is left for {behavior} {context}")
            sid = Sid(locator, function, behavior, context)
            if taken := meant.get((locator, behavior, context)):
                raise SidError(f"{sid}: collides with {taken}")
            sids[sid.address] = meant[locator, behavior, context] = sid
        return SidTable(self.locators, sids)

    @cached_property
    def _by_meaning(self) -> dict[tuple[Locator, Behavior, str], Sid]:
        return {(sid.locator, sid.behavior, sid.context): sid for sid in self.sids.values()}


def allocate(
    block: IPv6Network, nodes: Sequence[str], links: Iterable[LinkId], flavors: frozenset[Flavor] = frozenset(Flavor)
) -> SidTable:
    """End of every node and End.X of every directed link, by position: same graph, same SIDs.

    SidError for names that come twice and for more nodes or links than there is space for.
    """
    locators = {node: Locator(block, number) for number, node in enumerate(nodes, 1)}
    if len(locators) < len(nodes):
        raise SidError(f"nodes {', '.join(nodes)}: one of them comes twice, and its locators would collide")
    sids = {locator.address(0): Sid(locator, 0, Behavior.END, "", flavors) for locator in locators.values()}
    used = dict.fromkeys(nodes, 0)
    for node, peer in links:
        functions = FUNCTIONS[Behavior.END_X]
        if used[node] >= len(functions):
            raise SidError(f"{node}: more than {len(functions)} links")
        sid = Sid(locators[node], functions[used[node]], Behavior.END_X, peer, flavors)
        used[node] += 1
        sids[sid.address] = sid
    return SidTable(locators, sids)
