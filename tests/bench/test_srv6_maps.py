"""The SRv6 core over real maps: every single failure of ten of them, and how long a full mesh takes."""

from __future__ import annotations

from ipaddress import IPv6Network
from itertools import permutations
from time import perf_counter

import pytest

from controllers.srv6.paths import Domain, Metric
from controllers.srv6.policy import CandidatePath, DisjointFrom, Diversity, DynamicPath, PolicyId, SrPolicy
from controllers.srv6.segments import MtuBudget
from controllers.srv6.selection import Dataplane, select
from controllers.srv6.sids import allocate
from controllers.srv6.tilfa import Protection, all_repairs
from tests.support.srv6_graphs import TEN_MAPS, real_map
from tests.support.srv6_lab import check_cuts
from tests.support.srv6_network import network_of
from tests.support.srv6_repairs import check_map

pytestmark = [pytest.mark.bench, pytest.mark.slow]


@pytest.mark.parametrize("protection", Protection)
@pytest.mark.parametrize("name", TEN_MAPS)
def test_every_single_failure_is_repaired(name: str, protection: Protection) -> None:
    check_map(name, protection)


@pytest.mark.parametrize("name", ["topozoo/Chinanet", "sndlib/nobel-eu"])
def test_no_cut_loses_a_packet_once_it_is_repaired(name: str) -> None:
    check_cuts(network_of(real_map(name), fast_reroute=Protection.LINK))


def test_figures_of_a_full_mesh(capsys: pytest.CaptureFixture[str]) -> None:
    db = real_map("topozoo/Chinanet")
    sites = sorted(db.nodes)
    table = allocate(IPv6Network("fcbb:bb00::/32"), sites, sorted(db.links))
    encapsulation = Dataplane(table, MtuBudget(link_mtu=9000, inner_mtu=1500), compressed=True)
    started = perf_counter()
    found = select(Domain(db), [_policy(*ends) for ends in permutations(sites, 2)], encapsulation)
    selected = perf_counter()
    repaired = all_repairs(db, Domain(db).igp, Protection.LINK)
    done = perf_counter()
    assert len(found.states) == 38 * 37
    assert all(state.active for state in found.states.values())
    with capsys.disabled():
        print(f"\n{len(found.states)} policies of {len(sites)} sites, active and standby: {selected - started:.2f} s")
        print(f"TI-LFA of {len(repaired)} links: {done - selected:.2f} s")


def _policy(headend: str, endpoint: str) -> SrPolicy:
    """Least delay with 5 Mbit/s held, and behind it a standby that shares no link with it."""
    apart = DisjointFrom(PolicyId(headend, 1, endpoint), Diversity.LINK)
    best = CandidatePath(DynamicPath(Metric.DELAY, bandwidth_bps=5_000_000))
    return SrPolicy(headend, 1, endpoint, (best, CandidatePath(DynamicPath(Metric.DELAY, disjoint_from=apart), 50)))
