"""`--app srv6 --network FILE --northbound SOCKET [--state FILE]`: routers with SRv6 (controllers/srv6)."""

from __future__ import annotations

from functools import partial

from controllers import osken
from controllers.apps.given import read_given
from controllers.kernel.commands import CommandError
from controllers.kernel.install import Installer
from controllers.kernel.monitor import Monitor
from controllers.kernel.prepare import prepare
from controllers.northbound.endpoints import ENDPOINTS
from controllers.northbound.server import Operations
from controllers.northbound.store import PolicyStore, StoreError
from controllers.srv6.controller import Controller
from controllers.srv6.network import Network, read_network
from controllers.underlay import Underlay, as_found
from testbed.errors import BearerlabError


class Srv6App(osken.App):
    """Joins the core to the kernels below it and to the REST API above it."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        options = self.options
        if options.network is None:
            raise osken.StartError("srv6: want --network FILE")
        store = PolicyStore(options.state)
        try:
            self._start(read_given(options.network, read_network), store)
        except (ValueError, CommandError, StoreError, BearerlabError) as error:
            raise osken.StartError(str(error)) from error

    def _start(self, network: Network, store: PolicyStore) -> None:
        namespaces = {router.name: router.namespace for router in network.routers}
        monitor = Monitor(namespaces, _interfaces(network))
        added = [body.policy(network.block) for body in store.policies]
        core = Controller(as_found(network, monitor.found), added, store.removed)
        prepare(network.routers, core.states, network.link_mtu)
        self.underlay = Underlay(core, partial(Installer, namespaces))
        self.underlay.start()
        monitor.start(self.underlay.changed)
        self.api = Operations(self.underlay, store), ENDPOINTS


def _interfaces(network: Network) -> dict[tuple[str, str], str | None]:
    """What is watched: attachments, and the routers' links with the router at the other end."""
    attachments = {(each.router, each.ifname): None for tenant in network.tenants for each in tenant.attachments}
    return attachments | {(port.node, port.ifname): port.peer for port in network.ports}
