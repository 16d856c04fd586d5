"""Data networks: which Network Instance is which device of N6, and which UE addresses it has (TS 23.501 §5.8.2.2)."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from core_stub.pfcp.ies import IeType, RuleType
from core_stub.upf.errors import RuleError


@dataclass(frozen=True)
class DataNetwork:
    """A pool of UE addresses behind N6. `dnn` None serves every Network Instance; `gateway` is no UE's address."""

    subnet: IPv4Network
    device: str
    dnn: str | None = None
    gateway: IPv4Address | None = None


class Networks:
    """All data networks of a UPF, the first being that of rules without a Network Instance."""

    def __init__(self, networks: Iterable[DataNetwork]) -> None:
        self._networks = tuple(networks)
        self._instances = {network.dnn for network in self._networks}
        self._next = dict.fromkeys(self._networks, 1)

    def check(self, instance: str | None, kind: RuleType, rule_id: int) -> None:
        """RuleError if a rule names a Network Instance that is not one of ours; to name none is right."""
        if instance is not None and instance not in self._instances and None not in self._instances:
            detail = f'Network Instance "{instance}" is not configured'
            raise RuleError(kind, rule_id, detail, offending_ie=IeType.NETWORK_INSTANCE)

    def device(self, instance: str | None) -> str:
        """The device of N6 behind a Network Instance that is known."""
        return (self._of(instance) or self._networks)[0].device

    def free_address(self, instance: str | None, taken: Container[IPv4Address]) -> IPv4Address | None:
        """An address that is not `taken`, and that nobody had lately; None if there is none.

        Without a pool of its own, a Network Instance shares the first one.
        """
        for network in (*self._of(instance), *([] if instance else self._networks[:1])):
            address = self._free(network, taken)
            if address is not None:
                return address
        return None

    def _of(self, instance: str | None) -> tuple[DataNetwork, ...]:
        exact = tuple(network for network in self._networks if network.dnn == instance)
        return exact or tuple(network for network in self._networks if network.dnn is None)

    def _free(self, network: DataNetwork, taken: Container[IPv4Address]) -> IPv4Address | None:
        """Round and round, from where the last search ended."""
        size = network.subnet.num_addresses
        # Neither the subnet's own address nor its broadcast address, where it has them.
        first, last = (0, size - 1) if size < 4 else (1, size - 2)
        for step in range(last - first + 1):
            offset = first + (self._next[network] - first + step) % (last - first + 1)
            address = network.subnet[offset]
            if address != network.gateway and address not in taken:
                self._next[network] = offset + 1
                return address
        return None
