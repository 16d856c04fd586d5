"""C-SIDs in containers (RFC 9800): several SIDs of one block in each 128-bit segment, and out again.

    fcbb:bb00 : 0001 : 0002 : e003 : 0005 : 0000 : 0000      block, End of node 1, End.X of node 2, End of node 5

A node with the NEXT-CSID flavour shifts the C-SIDs to the left by its own and forwards to the next; 0 ends a container
(§4.1), and then the next segment of the SRH is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv6Address, IPv6Network

from controllers.srv6.sids import LOCAL_CSIDS, Flavor, Sid, SidError, SidTable

PER_CONTAINER = 6
"""C-SIDs of 16 bits behind a block of 32."""


def pack(sids: Sequence[Sid]) -> tuple[IPv6Address, ...]:
    """`sids` as the fewest containers, in order. SidError if they are of several blocks, or one cannot be passed on.

    A SID is never split: its function means nothing in another container, where it would follow the block. All but
    the last need the NEXT-CSID flavour, without which what follows them in the container would be lost.
    """
    if len({sid.locator.block for sid in sids}) > 1:
        raise SidError(f"{', '.join(map(str, sids))}: SIDs of one container are of one block")
    for sid in sids[:-1]:
        if Flavor.NEXT_CSID not in sid.flavors:
            raise SidError(f"{sid}: without NEXT-CSID it can only be the last of a container")
    return tuple(_container(sids[0].locator.block, csids) for csids in _groups(sids))


def unpack(containers: Iterable[IPv6Address], table: SidTable) -> tuple[Sid, ...]:
    """The SIDs that `containers` stand for; SidError for a C-SID that `table` does not have."""
    return tuple(sid for container in containers for sid in _sids(container, table))


def _groups(sids: Sequence[Sid]) -> Iterator[tuple[int, ...]]:
    group: tuple[int, ...] = ()
    for sid in sids:
        if len(group) + len(sid.csids) > PER_CONTAINER:
            yield group
            group = ()
        group += sid.csids
    if group:
        yield group


def _container(block: IPv6Network, csids: tuple[int, ...]) -> IPv6Address:
    value = int(block.network_address)
    for position, csid in enumerate(csids):
        value |= csid << 80 - 16 * position
    return IPv6Address(value)


def _sids(container: IPv6Address, table: SidTable) -> Iterator[Sid]:
    block = int(container) >> 96 << 96
    csids = [int(container) >> 80 - 16 * position & 0xFFFF for position in range(PER_CONTAINER)]
    csids = csids[: csids.index(0)] if 0 in csids else csids
    while csids:
        node = csids.pop(0)
        function = csids.pop(0) if csids and csids[0] in LOCAL_CSIDS else 0
        address = IPv6Address(block | node << 80 | function << 64)
        if address not in table.sids:
            raise SidError(f"{address} in container {container}: no node has this SID")
        yield table.sids[address]
