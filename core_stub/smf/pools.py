"""UE addresses of a DNN: the lowest free one first, so that the same order of sessions gives the same addresses."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network


class PoolExhaustedError(Exception):
    """All addresses of the pool are in use."""

    def __init__(self, subnet: IPv4Network, size: int) -> None:
        self.subnet = subnet
        super().__init__(f"all {size} addresses of {subnet} are in use")


def gateway_of(
    subnet: IPv4Network | IPv6Network, gateway: IPv4Address | IPv6Address | None
) -> IPv4Address | IPv6Address:
    """The gateway: the one given, or else the first usable address of the subnet."""
    if gateway is not None:
        return gateway
    return subnet.network_address + (1 if subnet.num_addresses > 2 else 0)


AddressRange = tuple[IPv4Address, IPv4Address]
"""First and last."""


class AddressPool:
    """The addresses of `subnet`, or of `ranges` in it, without network, broadcast and gateway address."""

    def __init__(
        self,
        subnet: IPv4Network,
        gateway: IPv4Address | IPv6Address | None = None,
        ranges: Iterable[AddressRange] = (),
    ) -> None:
        self.subnet = subnet
        self._gateway = gateway_of(subnet, gateway)
        self._fresh = _addresses(ranges) if ranges else iter(subnet.hosts())
        self._returned: list[IPv4Address] = []
        self._in_use: set[IPv4Address] = set()

    @property
    def in_use(self) -> int:
        """How many are given out."""
        return len(self._in_use)

    @property
    def is_exhausted(self) -> bool:
        """True if `allocate` would fail."""
        if not self._returned:
            try:
                heapq.heappush(self._returned, self._next_fresh())
            except PoolExhaustedError:
                return True
        return False

    def allocate(self) -> IPv4Address:
        """The lowest free address; PoolExhaustedError if there is none."""
        # What was returned was given out before, so it lies below everything fresh.
        address = heapq.heappop(self._returned) if self._returned else self._next_fresh()
        self._in_use.add(address)
        return address

    def take(self, address: IPv4Address) -> None:
        """Allocate just this one; KeyError if it is in use, or none of the pool's."""
        if address in self._returned:
            self._returned.remove(address)
            heapq.heapify(self._returned)
        else:
            self._pass_over(address)
        self._in_use.add(address)

    def release(self, address: IPv4Address) -> None:
        """Give `address` back; KeyError if it was not in use."""
        self._in_use.remove(address)
        heapq.heappush(self._returned, address)

    def _next_fresh(self) -> IPv4Address:
        for address in self._fresh:
            if address != self._gateway:
                return address
        raise PoolExhaustedError(self.subnet, len(self._in_use))

    def _pass_over(self, wanted: IPv4Address) -> None:
        """Make everything fresh below `wanted` free to be given out next, and `wanted` not fresh any more."""
        if wanted in self._in_use or wanted not in self.subnet:
            raise KeyError(wanted)
        while True:
            try:
                address = self._next_fresh()
            except PoolExhaustedError as error:
                raise KeyError(wanted) from error
            if address == wanted:
                return
            heapq.heappush(self._returned, address)


def _addresses(ranges: Iterable[AddressRange]) -> Iterator[IPv4Address]:
    for first, last in sorted(ranges):
        yield from map(IPv4Address, range(int(first), int(last) + 1))
