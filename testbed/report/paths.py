"""Path proofs: for each measured window one packet of each followed STAMP probe, found in the run's captures."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from testbed.graph import Role
from testbed.plan.model import Plan
from testbed.record import RunRecord, Window
from testbed.report.result import HopResult, PathResult, TunnelResult
from testbed.report.routes import Routes
from testbed.report.timeline import followed_probes, phase_colours, ue_addresses
from testbed.scenario.model import Scenario
from testbed.verdict import stamp_samples
from traffic import pcapng
from traffic.dissect import Tunnel
from traffic.pathproof import CapturePoint, Hop, ProbeId, hops
from traffic.pcapng import Packet
from traffic.samples import StampSample

Captures = tuple[tuple[CapturePoint, tuple[Packet, ...]], ...]


def prove_paths(record: RunRecord, scenario: Scenario, plan: Plan) -> list[PathResult]:
    """For each followed probe a proof in each measured window; none without captures or a session."""
    captures = tuple(_captures(record, plan))
    addresses = ue_addresses(record)
    routes = Routes(plan)
    found = []
    for name in followed_probes(scenario) if captures else ():
        probe = scenario.probes[name]
        if probe.source not in addresses:
            continue
        samples = stamp_samples(record, name)
        for window in _measured(record, scenario):
            sample = middle_sample(samples, window)
            if sample is not None:
                address = ip_address(addresses[probe.source])
                seen = hops(ProbeId(address, scenario.services[probe.to].address, sample.seq), captures)
                steps = [_result(hop, routes) for hop in seen]
                found.append(PathResult(window=window.name, probe=name, sequence=sample.seq, hops=steps))
    return found


def middle_sample(samples: list[StampSample], window: Window) -> StampSample | None:
    """The sample nearest to the window's middle, one that was answered if there is any."""
    inside = [sample for sample in samples if window.start <= sample.t < window.end]
    middle = (window.start + window.end) / 2
    return min(inside, key=lambda sample: (sample.delays is None, abs(sample.t - middle)), default=None)


def _measured(record: RunRecord, scenario: Scenario) -> Iterator[Window]:
    colours = phase_colours(scenario)
    return (window for window in record.windows() if colours.get(window.name, "change") != "change")


def _captures(record: RunRecord, plan: Plan) -> Iterator[tuple[CapturePoint, tuple[Packet, ...]]]:
    for capture in plan.captures:
        path = record.directory / "captures" / capture.file
        if path.is_file():
            yield CapturePoint(capture.point, capture.node), tuple(pcapng.read(path))


def _result(hop: Hop, routes: Routes) -> HopResult:
    tunnel = hop.tunnel and TunnelResult(
        src=str(hop.tunnel.src), dst=str(hop.tunnel.dst), teid=hop.tunnel.teid, qfi=hop.tunnel.qfi
    )
    point = _reference_point(hop.tunnel, routes) if hop.tunnel and hop.vni is None else None
    return HopResult(
        point=point or hop.point, node=hop.node, t=hop.t, direction=hop.direction, tunnel=tunnel, vni=hop.vni
    )


def _reference_point(tunnel: Tunnel, routes: Routes) -> str | None:
    """N3 or N9 by who the tunnel's ends are: one interface of a UPF carries both, whatever its capture is called."""
    roles = {routes.role(str(tunnel.src)), routes.role(str(tunnel.dst))}
    return {frozenset({Role.GNB, Role.UPF}): "N3", frozenset({Role.UPF}): "N9"}.get(frozenset(roles))  # type: ignore[arg-type]
