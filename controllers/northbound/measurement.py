"""What the measuring process is to measure (RFC 8762), and what it found: the subjects' names here and in the core.

A link is measured by its End.X, a segment list by its SIDs; a reflector is at the loopback of the last router.
"""

from __future__ import annotations

from collections.abc import Iterator

from controllers.northbound.answers import EndView, SubjectsView, SubjectView
from controllers.northbound.bodies import WindowBody
from controllers.srv6.containers import pack
from controllers.srv6.controller import Controller
from controllers.srv6.lsdb import LinkId
from controllers.srv6.network import Measurement
from controllers.srv6.segments import AdjacencySegment, Segment, resolve
from controllers.srv6.selection import ListId
from controllers.srv6.telemetry import LinkWindow, ListWindow, MeasuredWindow, Window


def subjects(core: Controller) -> SubjectsView:
    """All that is to be measured now; nothing if the network is not measured."""
    wanted = core.network.measurement
    rules = wanted or Measurement()
    found = _subjects(core) if wanted else ()
    return SubjectsView(interval_ms=rules.interval_ms, window_ms=rules.window_ms, subjects=tuple(found))


def windows(core: Controller, bodies: tuple[WindowBody, ...]) -> Iterator[MeasuredWindow]:
    """What was found, of those subjects that there still are."""
    links = {_link_name(link): link for link in core.network.port}
    lists = {_list_name(list_): list_ for list_ in core.measured_lists()}
    for body in bodies:
        window = Window(body.sent, body.received, body.least_us, body.mean_us)
        if body.id in links:
            yield LinkWindow(links[body.id], window)
        elif body.id in lists:
            yield ListWindow(lists[body.id], window)


def _subjects(core: Controller) -> Iterator[SubjectView]:
    for link in core.database.usable:
        yield _subject(core, _link_name(link.id), link.id, (AdjacencySegment(*link.id),))
    for list_ in sorted(core.measured_lists(), key=_list_name):
        policy, segments = list_
        yield _subject(core, _list_name(list_), (policy.headend, policy.endpoint), segments)


def _subject(core: Controller, name: str, ends: tuple[str, str], segments: tuple[Segment, ...]) -> SubjectView:
    sids = resolve(segments, core.table)
    if sids and sids[-1] == core.table.end(ends[1]):
        # An End does not deliver to its own router (Linux): the reflector's address leads there by the same way.
        sids = sids[:-1]
    carried = pack(sids) if core.network.compressed else tuple(sid.address for sid in sids)
    headend, reflector = (_end(core, router) for router in ends)
    return SubjectView(id=name, headend=headend, segments=carried, reflector=reflector)


def _end(core: Controller, name: str) -> EndView:
    router = next(router for router in core.network.routers if router.name == name)
    return EndView(namespace=router.namespace, address=router.loopback)


def _link_name(link: LinkId) -> str:
    return "/".join(("link", *link))


def _list_name(list_: ListId) -> str:
    policy, segments = list_
    return "/".join(("list", policy.headend, str(policy.color), policy.endpoint, ",".join(map(str, segments))))
