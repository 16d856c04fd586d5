"""The core's values as answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from controllers.kernel.counters import SidCounters
from controllers.northbound.answers import (
    AttachmentView,
    Counters,
    CounterView,
    HopView,
    InvalidView,
    LinkView,
    ListView,
    PacketView,
    PathAnswer,
    PathView,
    Policies,
    PolicyView,
    ReachView,
    RouterView,
    SidView,
    Tenants,
    TenantView,
    Topology,
    VpnRouteView,
    WayView,
)
from controllers.northbound.walk import walk
from controllers.srv6.controller import Controller
from controllers.srv6.network import Attachment, Tenant
from controllers.srv6.planes import Plane
from controllers.srv6.policy import ExplicitPath, PolicyId, SegmentList, SrPolicy, shares
from controllers.srv6.segments import encapsulation_bytes, resolve, toward_service
from controllers.srv6.selection import PolicyState, ValidPath
from controllers.srv6.services import GLOBAL
from controllers.srv6.sids import Behavior, Sid


def topology(core: Controller) -> Topology:
    """Routers and links."""
    return Topology(routers=tuple(_routers(core)), links=tuple(_links(core)))


def policies(core: Controller) -> Policies:
    """All policies; those that are pending at the end."""
    computed = [state for state in core.selection.states.values() if _is_current(core, state)]
    done = {state.policy.id for state in computed}
    pending = (_pending(each) for each in core.policies if each.id not in done)
    return Policies(policies=(*(_policy(core, state) for state in computed), *pending))


def policy(core: Controller, policy_id: PolicyId) -> PolicyView:
    """One policy; KeyError if there is none."""
    state = core.selection.states.get(policy_id)
    if state is not None and _is_current(core, state):
        return _policy(core, state)
    for each in core.policies:
        if each.id == policy_id:
            return _pending(each)
    raise KeyError(policy_id)


def path(core: Controller, headend: str, endpoint: str, color: int | None) -> PathAnswer:
    """The way of packets; KeyError for a node that is not there."""
    for node in (headend, endpoint):
        core.table.locators[node]
    lists, reason = _lists(core, headend, endpoint, color)
    # Policies' segment lists are the IGP's own SIDs.
    plane = core.view.plane_of(color) if reason else core.view.planes[0]
    return PathAnswer(
        headend=headend,
        endpoint=endpoint,
        color=color,
        by="flex-algo" if plane.number else "policy" if color is not None and not reason else "igp",
        reason=reason or None,
        ways=tuple(_ways(core, headend, endpoint, lists, plane)),
    )


def counters(core: Controller, counted: Iterable[SidCounters]) -> Counters:
    """Counters with what each SID belongs to."""
    sids = {plane.sid(sid).address: sid for plane in core.view.planes for sid in core.table.sids.values()}
    return Counters(
        counters=tuple(
            CounterView(
                router=each.router,
                sid=each.sid,
                behavior=each.behavior,
                context=sids[each.sid.network_address].context if each.sid.network_address in sids else "",
                packets=each.packets,
                bytes=each.bytes,
                errors=each.errors,
            )
            for each in counted
        )
    )


def tenants(core: Controller) -> Tenants:
    """All VPNs with their routes."""
    return Tenants(tenants=tuple(_tenant(core, tenant) for tenant in core.network.tenants))


def _routers(core: Controller) -> Iterator[RouterView]:
    for router in core.network.routers:
        yield RouterView(
            name=router.name,
            namespace=router.namespace,
            loopback=router.loopback,
            locator=core.table.locators[router.name].prefix,
            state="down" if router.name in core.database.nodes_down else "up",
            sids=tuple(_sid(sid) for sid in core.table.of_node(router.name)),
        )


def _links(core: Controller) -> Iterator[LinkView]:
    reserved = core.selection.reservations.reserved_bps
    for link in core.database.links.values():
        port = core.network.port[link.id]
        yield LinkView(
            source=link.source,
            target=link.target,
            ifname=port.ifname,
            address=port.address,
            igp_metric=link.igp_metric,
            te_metric=link.te_metric,
            delay_us=link.delay_us,
            bandwidth_bps=link.bandwidth_bps,
            reserved_bps=reserved.get(link.id, 0),
            affinities=tuple(sorted(link.affinities)),
            srlgs=tuple(sorted(link.srlgs)),
            state="up" if link.up else "down",
        )


def _sid(sid: Sid) -> SidView:
    return SidView(
        sid=sid.address, behavior=str(sid.behavior), context=sid.context, flavors=tuple(map(str, sorted(sid.flavors)))
    )


def _policy(core: Controller, state: PolicyState) -> PolicyView:
    return _policy_view(
        state.policy,
        state="up" if state.active else "down",
        active=_path(core, state.active) if state.active else None,
        standby=_path(core, state.standby) if state.standby else None,
        invalid=tuple(
            InvalidView(
                preference=each.candidate.preference, discriminator=each.candidate.discriminator, reason=each.reason
            )
            for each in state.invalid
        ),
    )


def _is_current(core: Controller, state: PolicyState) -> bool:
    """Whether what was computed is of the policy as it is wanted now."""
    return state.policy in core.policies


def _pending(policy: SrPolicy) -> PolicyView:
    return _policy_view(policy, state="pending", active=None, standby=None, invalid=())


def _policy_view(policy: SrPolicy, **state: Any) -> PolicyView:
    sid = policy.binding_sid
    name = policy.id._asdict()
    return PolicyView(**name, priority=policy.priority, binding_sid=sid.address if sid else None, **state)


def _path(core: Controller, path: ValidPath) -> PathView:
    return PathView(
        preference=path.candidate.preference,
        discriminator=path.candidate.discriminator,
        origin="explicit" if isinstance(path.candidate.path, ExplicitPath) else "dynamic",
        lists=tuple(
            ListView(
                segments=tuple(map(str, list_.segments)),
                sids=tuple(sid.address for sid in resolve(list_.segments, core.table)),
                weight=list_.weight,
                share=share,
            )
            for list_, share in zip(path.lists, shares(path.lists), strict=True)
        ),
        links=tuple(sorted(path.links)),
    )


def _lists(core: Controller, headend: str, endpoint: str, color: int | None) -> tuple[tuple[SegmentList, ...], str]:
    """The segment lists, and why they are not those of a policy of `color`."""
    best_effort = (SegmentList(()),)
    if color is None:
        return best_effort, ""
    policy_id = PolicyId(headend, color, endpoint)
    state = core.selection.states.get(policy_id)
    if state is None:
        return best_effort, f"there is no policy {policy_id}"
    if state.active is None:
        return best_effort, "; ".join(each.reason for each in state.invalid)
    return state.active.lists, ""


def _ways(
    core: Controller, headend: str, endpoint: str, lists: tuple[SegmentList, ...], plane: Plane
) -> Iterator[WayView]:
    service = core.table.find(endpoint, Behavior.END_DT6, GLOBAL)
    loopbacks = {router.name: router.loopback for router in core.network.routers}
    for list_, share in zip(lists, shares(lists), strict=True):
        hops = tuple(_hops(core, headend, toward_service(resolve(list_.segments, core.table), service), plane))
        if not hops:
            continue
        segments = core.view.encap(list_.segments, service, plane).segments
        yield WayView(
            weight=list_.weight,
            share=share,
            segments=tuple(map(str, list_.segments)),
            delay_us=hops[-1].delay_us,
            hops=hops,
            packet=PacketView(
                source=loopbacks[headend],
                destination=segments[0],
                srh=segments[1:],
                bytes_added=encapsulation_bytes(len(segments)),
            ),
        )


def _hops(core: Controller, headend: str, sids: Sequence[Sid], plane: Plane) -> Iterator[HopView]:
    delay_us = 0
    for stop in walk(plane.graph, core.table.locators, headend, sids):
        yield HopView(
            node=stop.node,
            ifname=core.network.port[stop.node, stop.onward].ifname if stop.onward else None,
            delay_us=delay_us,
            ways=stop.ways,
            sid=plane.sid(stop.sid).address if stop.sid else None,
            behavior=str(stop.sid.behavior) if stop.sid else None,
        )
        delay_us += core.database.links[stop.node, stop.onward].delay_us if stop.onward else 0


def _tenant(core: Controller, tenant: Tenant) -> TenantView:
    return TenantView(
        name=tenant.name,
        table=tenant.table,
        color=tenant.color,
        attachments=tuple(map(_attachment, tenant.attachments)),
        routes=tuple(
            VpnRouteView(prefix=route.prefix, egress=route.egress, sid=route.sid.address, color=route.color)
            for routes in core.view.vpns[tenant.name].values()
            for route in routes
        ),
    )


def _attachment(attachment: Attachment) -> AttachmentView:
    return AttachmentView(
        router=attachment.router,
        ifname=attachment.ifname,
        subnets=attachment.subnets,
        hosts=attachment.hosts,
        reaches=tuple(ReachView(prefix=each.prefix, via=each.via, color=each.color) for each in attachment.reaches),
    )
