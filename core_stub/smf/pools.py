"""UE addresses of a DNN: the lowest free one first, so that the same order of sessions gives the same addresses."""

from __future__ import annotations

import heapq
from ipaddress import IPv4Address, IPv4Network


class PoolExhaustedError(Exception):
    """All addresses of the pool are in use."""

    def __init__(self, subnet: IPv4Network, size: int) -> None:
        self.subnet = subnet
        super().__init__(f"all {size} addresses of {subnet} are in use")


def gateway_of(subnet: IPv4Network, gateway: IPv4Address | None) -> IPv4Address:
    """The gateway: the one given, or else the first usable address of the subnet."""
    return gateway if gateway is not None else next(iter(subnet.hosts()))


class AddressPool:
    """The addresses of `subnet` without network, broadcast and gateway address."""

    def __init__(self, subnet: IPv4Network, gateway: IPv4Address | None = None) -> None:
        self.subnet = subnet
        self._gateway = gateway_of(subnet, gateway)
        self._fresh = iter(subnet.hosts())
        self._returned: list[IPv4Address] = []
        self._in_use: set[IPv4Address] = set()

    def allocate(self) -> IPv4Address:
        """The lowest free address; PoolExhaustedError if there is none."""
        # What was returned was given out before, so it lies below everything fresh.
        address = heapq.heappop(self._returned) if self._returned else self._next_fresh()
        self._in_use.add(address)
        return address

    def release(self, address: IPv4Address) -> None:
        """Give `address` back; KeyError if it was not in use."""
        self._in_use.remove(address)
        heapq.heappush(self._returned, address)

    def _next_fresh(self) -> IPv4Address:
        for address in self._fresh:
            if address != self._gateway:
                return address
        raise PoolExhaustedError(self.subnet, len(self._in_use))
