"""Dynamic paths against trying every path of random graphs; and who is to blame when there is none."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from controllers.srv6.dynamic import NoPathError, compute
from controllers.srv6.lsdb import Lsdb
from controllers.srv6.paths import Constraints, Domain, Metric, Path, path_cost, routing_graph
from controllers.srv6.policy import DisjointFrom, Diversity, DynamicPath, PolicyId
from controllers.srv6.reservations import Reservations
from tests.support.srv6_graphs import COLOURS, databases, simple_paths

COLOUR_SETS = st.frozensets(st.sampled_from(COLOURS), max_size=1)
OTHER = PolicyId("x", 1, "y")
WANTED = st.builds(
    DynamicPath,
    st.sampled_from(Metric),
    st.builds(Constraints, COLOUR_SETS, COLOUR_SETS, COLOUR_SETS, COLOUR_SETS),
    st.none() | st.builds(DisjointFrom, st.just(OTHER), st.sampled_from(Diversity)),
    st.sampled_from([0, 5]),
    st.none() | st.integers(1, 8),
)


def meets(db: Lsdb, path: Path, wanted: DynamicPath, other: Path, books: Reservations) -> bool:
    """Each requirement, checked on the path itself."""
    links = [db.links[step] for step in pairwise(path)]
    if wanted.delay_bound_us is not None and sum(link.delay_us for link in links) > wanted.delay_bound_us:
        return False
    if any(books.reserved_bps.get(link.id, 0) + wanted.bandwidth_bps > 10 for link in links):
        return False
    if not all(wanted.constraints.admits(link) for link in links):
        return False
    return wanted.disjoint_from is None or apart(db, path, other, wanted.disjoint_from.diversity)


def apart(db: Lsdb, path: Path, other: Path, diversity: Diversity) -> bool:
    mine, theirs = ({frozenset(step) for step in pairwise(nodes)} for nodes in (path, other))
    risks = [{risk for step in pairwise(nodes) for risk in db.links[step].srlgs} for nodes in (path, other)]
    if mine & theirs or (diversity is Diversity.SRLG and risks[0] & risks[1]):
        return False
    return diversity is not Diversity.NODE or not set(path[1:-1]) & set(other)


@given(databases(6), WANTED, st.data())
def test_the_best_of_all_paths_that_meet_it(db: Lsdb, wanted: DynamicPath, data: st.DataObject) -> None:
    db = Lsdb(db.nodes, {key: replace(link, bandwidth_bps=10) for key, link in db.links.items()})
    policy = PolicyId(min(db.nodes), 1, max(db.nodes))
    graph = routing_graph(db, wanted.metric)
    every = list(simple_paths(graph, policy.headend, policy.endpoint))
    other = data.draw(st.sampled_from(every)) if every else ()
    links = frozenset(pairwise(other))
    books = Reservations().reserve(OTHER, frozenset(sorted(links)[:1]), 7)
    good = [path for path in every if meets(db, path, wanted, other, books)]
    best = min((path_cost(graph, path) for path in good), default=None)
    try:
        path = compute(Domain(db), policy, wanted, books, {OTHER: links})
    except NoPathError as error:
        assert best is None, f"{good} would do: {error}"
        assert str(error).startswith("nothing meets" if every else f"{policy.endpoint} cannot be reached")
    else:
        assert path in good
        assert path_cost(graph, path) == best
