"""Routers and hosts as namespaces with plain veth pairs between them, and the SRv6 controller over them.

Everything is named after the nodes. Link n of the core has fd01:n::/64, the attachment of host n 10.n.0.0/24 and
fd02:n::/64 with the router at 1 and the host at 2. Delays are what links advertise; nothing is delayed.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, IPv6Interface, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from controllers.kernel.readback import read_router
from controllers.srv6.fib import RouterState
from controllers.srv6.lsdb import Link
from controllers.srv6.network import Attachment, Network, Port, Router, Tenant
from testbed import netns
from testbed.run.management import exchange
from tests.support.launcher import Launcher
from tests.support.link_rig import ip_batch
from tests.support.polling import PATIENCE_S

SQUARE = (
    Link("r1", "r2", igp_metric=10, te_metric=10, delay_us=1000),
    Link("r2", "r3", igp_metric=10, te_metric=10, delay_us=1000),
    Link("r1", "r4", igp_metric=30, te_metric=5, delay_us=200, affinities=frozenset({"gold"})),
    Link("r4", "r3", igp_metric=30, te_metric=5, delay_us=200, affinities=frozenset({"gold"})),
)
"""Between r1 and r3 the IGP goes by r2, and what wants little delay by r4."""

BLOCK = IPv6Network("fcbb:bb00::/32")
TABLE = 100

_SYSCTLS = {
    "ipv4/ip_forward": 1,
    "ipv6/conf/all/forwarding": 1,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "ipv6/conf/default/accept_dad": 0,
    "ipv6/conf/all/accept_dad": 0,
}


@dataclass(frozen=True)
class Rig:
    """What is there; `namespaces` is node → namespace."""

    network: Network
    namespaces: Mapping[str, str]
    directory: Path

    @property
    def socket(self) -> Path:
        """Where the controller serves its API."""
        return self.directory / "controller.sock"

    def run(self, node: str, *argv: str) -> str:
        """What a command prints in `node`."""
        with netns.entered(self.namespaces[node]):
            done = subprocess.run(argv, check=False, text=True, capture_output=True, timeout=PATIENCE_S)
        assert done.returncode == 0, f"{node}: {' '.join(argv)}: {done.stdout}{done.stderr}"
        return done.stdout

    def popen(self, node: str, *argv: str, **options: Any) -> subprocess.Popen[str]:
        """A process in `node`."""
        with netns.entered(self.namespaces[node]):
            return subprocess.Popen(argv, text=True, **options)

    def set_link(self, node: str, peer: str, state: str) -> None:
        """Set the interface of `node` toward `peer` up or down."""
        self.run(node, "ip", "link", "set", peer, state)

    def routes(self, router: str) -> RouterState:
        """What the kernel of a router has of the controller."""
        return read_router(self.namespaces[router])

    def request(self, method: str, target: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of an answer of the controller."""
        status, text = exchange(self.socket, method, f"/v1{target}", body, timeout=PATIENCE_S)
        return status, json.loads(text) if text else None

    def received(self, router: str) -> dict[str, int]:
        """`End.X r2` → packets that came to `router` for it."""
        _, answer = self.request("GET", f"/counters?router={router}")
        return {f"{each['behavior']} {each['context']}".strip(): each["packets"] for each in answer["counters"]}

    @contextmanager
    def controller(self, network: Network | None = None) -> Iterator[Launcher]:
        """The controller's process, ready."""
        file = self.directory / "network.json"
        file.write_bytes(TypeAdapter(Network).dump_json(network or self.network))
        launcher = Launcher(
            *("--app", "srv6", "--network", str(file), "--northbound", str(self.socket)),
            *("--state", str(self.directory / "policies.json")),
        )
        try:
            launcher.expect("ready")
            yield launcher
        finally:
            if launcher.process.returncode is None:
                launcher.kill()


@contextmanager
def srv6_rig(directory: Path, links: Sequence[Link], hosts: Mapping[str, str], **options: Any) -> Iterator[Rig]:
    """Routers joined by `links` (one of each pair), and `hosts` (host → its router), all of one tenant, "blue".

    `options` are those of `Network`. Nothing of it is left behind.
    """
    namespaces = {node: f"blt-srv6-{os.getpid()}-{node}" for node in (*_routers(links), *hosts)}
    network = rig_network(namespaces, links, hosts)
    with ExitStack() as stack:
        for namespace in namespaces.values():
            netns.create(namespace)
            stack.callback(_delete, namespace)
            _prepare(namespace)
        for a, b in [link.id for link in links] + list(hosts.items()):
            ip_batch(f"link add {b} netns {namespaces[a]} type veth peer name {a} netns {namespaces[b]}")
        for router in network.routers:
            _address(network, router)
        for number, (host, gateway) in enumerate(hosts.items(), 1):
            _attach(namespaces[host], gateway, number)
        yield Rig(replace(network, **options), namespaces, directory)


def _routers(links: Iterable[Link]) -> list[str]:
    return list(dict.fromkeys(node for link in links for node in link.id))


def _delete(namespace: str) -> None:
    if netns.exists(namespace):
        netns.delete(namespace)


def _prepare(namespace: str) -> None:
    with netns.entered(namespace):
        for key, value in _SYSCTLS.items():
            Path("/proc/sys/net", key).write_text(str(value))


def _address(network: Network, router: Router) -> None:
    ports = [port for port in network.ports if port.node == router.name]
    attachments = [each for tenant in network.tenants for each in tenant.attachments if each.router == router.name]
    ip_batch(
        "link set lo up",
        f"addr add {router.loopback}/128 dev lo",
        *(f"addr add {port.address} dev {port.ifname}" for port in ports),
        *(f"addr add {each[1]}/{each.prefixlen} dev {at.ifname}" for at in attachments for each in at.subnets),
        *(f"link set {port.ifname} mtu 9000 up" for port in ports),
        *(f"link set {at.ifname} up" for at in attachments),
        namespace=router.namespace,
    )


def _attach(namespace: str, router: str, number: int) -> None:
    ip_batch(
        "link set lo up",
        f"link set {router} up",
        f"addr add 10.{number}.0.2/24 dev {router}",
        f"addr add fd02:{number}::2/64 dev {router}",
        f"route add default via 10.{number}.0.1",
        f"route add ::/0 via fd02:{number}::1",
        namespace=namespace,
    )


def rig_network(namespaces: Mapping[str, str], links: Sequence[Link], hosts: Mapping[str, str]) -> Network:
    """The network of a rig, without making it."""
    ports = [
        Port(node, peer, peer, IPv6Interface(f"fd01:{number:x}::{end}/64"))
        for number, link in enumerate(links, 1)
        for end, (node, peer) in enumerate((link.id, link.id[::-1]), 1)
    ]
    attachments = tuple(
        Attachment(
            router,
            host,
            (ip_network(f"10.{number}.0.0/24"), ip_network(f"fd02:{number}::/64")),
            (ip_address(f"10.{number}.0.2"), ip_address(f"fd02:{number}::2")),
        )
        for number, (host, router) in enumerate(hosts.items(), 1)
    )
    return Network(
        BLOCK,
        tuple(Router(name, namespaces[name], IPv6Address(f"fd00::{n:x}")) for n, name in enumerate(_routers(links), 1)),
        tuple(direction for link in links for direction in link.both_ways()),
        tuple(ports),
        link_mtu=9000,
        inner_mtu=1500,
        tenants=(Tenant("blue", TABLE, attachments),),
    )
