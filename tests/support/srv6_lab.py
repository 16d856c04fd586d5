"""The controller's core over a data plane in miniature."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import networkx as nx

from controllers.srv6.controller import Controller, Effect, Emit
from controllers.srv6.fib import MAIN_TABLE, RouterState
from controllers.srv6.lsdb import LinkId, fibres
from controllers.srv6.network import Network
from tests.support.srv6_forwarding import Forwarding, Packet, Trail
from tests.support.srv6_network import TENANT_TABLE, host

NOW = 0.0


class SrLab:
    """A controller, and what its programs have made of the routers so far."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.states: dict[str, RouterState] = {}
        self.events: list[Emit] = []

    def run(self, effects: list[Effect], now: float = NOW) -> Iterator[None]:
        """Perform `effects` and all that becomes due by `now`; yields after each step."""
        while True:
            for effect in effects:
                if isinstance(effect, Emit):
                    self.events.append(effect)
                    continue
                for step in effect.steps:
                    self.states |= step
                    yield
            timer = self.controller.timer()
            if timer is None or timer > now:
                return
            effects = self.controller.expire(now)

    def finish(self, effects: list[Effect], now: float = NOW) -> None:
        """Perform all of it."""
        for _ in self.run(effects, now):
            pass

    def forwarding(self, dead: frozenset[LinkId] = frozenset()) -> Forwarding:
        """What routers do now; links of `dead` carry nothing."""
        return Forwarding(self.controller.network, self.states, dead)

    def undelivered(
        self, dead: frozenset[LinkId] = frozenset(), *, apart_from: frozenset[LinkId] = frozenset()
    ) -> list[Trail]:
        """How packets end that do not arrive: from every router to the loopback and the host of every other.

        Only where there is a way without the links that are `dead`, and without those `apart_from` which there has to
        be one, too.
        """
        network = self.controller.network
        unused = dead | apart_from
        alive: nx.Graph[str] = nx.Graph(link for link in self.controller.database.links if link not in unused)
        forwarding = self.forwarding(dead)
        return [
            trail
            for router, other in permutations(network.routers, 2)
            if router.name in self.controller.states and other.name in self.controller.states
            if router.name in alive and other.name in alive and nx.has_path(alive, router.name, other.name)
            for to, table in ((other.loopback, MAIN_TABLE), (host(network, other.name), TENANT_TABLE))
            for trail in forwarding.trails(router.name, Packet(to), table)
            if not trail.delivered
        ]


def started(network: Network) -> SrLab:
    """A lab whose routers have what they need in the beginning."""
    lab = SrLab(Controller(network))
    lab.finish(lab.controller.start())
    lab.events.clear()
    return lab


def check_cuts(network: Network) -> None:
    """Cut every link by itself and put it back: from the local repairs on, nothing is lost at any step."""
    lab = started(network)
    before = lab.states
    for link in sorted(link.id for link in network.links if link.source < link.target):
        ends, dead = (link, link[::-1]), fibres([link])
        for end in ends:
            lab.finish(lab.controller.link_changed(*end, False, NOW), now=NOW - 1)
        assert lab.undelivered(dead) == [], f"{link} repaired"
        for _ in lab.run(lab.controller.expire(NOW)):
            assert lab.undelivered(dead) == [], f"{link} while converging"
        for end in ends:
            for _ in lab.run(lab.controller.link_changed(*end, True, NOW)):
                assert lab.undelivered(apart_from=dead) == [], f"{link} while switching back"
        assert lab.states == before, f"{link} back"
