"""What a placement costs, and whose SLA a window of probes has found violated: undamped, to compare modes by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from controllers.joint.quality import Quality, Sla, breaches
from controllers.sdwan.network import Demand, Overlay
from controllers.sdwan.steering import Placement
from controllers.sdwan.telemetry import Available, ClassWindow


def violated(
    overlay: Overlay,
    placements: Mapping[str, Placement],
    windows: Iterable[ClassWindow],
    available_bps: Available = lambda *_: None,
) -> Iterator[str]:
    """The demands that were on a tunnel while it broke a bound of their class, once for each such window.

    What is duplicated suffers only while all of its tunnels do.
    """
    windows = tuple(windows)
    for demand in overlay.demands:
        dscp, taken = overlay.class_of[demand.application].dscp, placements[demand.name].names
        if not demand.expected:
            continue
        suffered = [
            window.tunnel
            for window in windows
            if window.dscp == dscp and window.tunnel in taken
            if breaks(window, overlay.sla(demand)) or _narrow(overlay, demand, window.tunnel, available_bps)
        ]
        times = min(map(suffered.count, taken), default=0) if overlay.duplicates(demand) else len(suffered)
        yield from [demand.name] * times


def _narrow(overlay: Overlay, demand: Demand, tunnel: str, available_bps: Available) -> bool:
    wanted = overlay.sla(demand).bandwidth_bps
    available = available_bps(tunnel, overlay.class_of[demand.application].name) if wanted else None
    return available is not None and available < wanted


def breaks(window: ClassWindow, wanted: Sla) -> bool:
    """Whether a window breaks a bound; one in which nothing came through breaks any."""
    if window.sent and window.lost >= window.sent:
        return True
    loss = window.lost / window.sent if window.sent else 0.0
    return bool(breaches(wanted, Quality(window.delay_ms or 0.0, window.jitter_ms or 0.0, loss)))


def cost(overlay: Overlay, placements: Mapping[str, Placement]) -> float:
    """Rate in Mbit/s times price, over all demands."""
    return sum(demand.rate_bps / 1e6 * price(overlay, demand, placements[demand.name]) for demand in overlay.demands)


def price(overlay: Overlay, demand: Demand, placement: Placement) -> float:
    """Of a Mbit/s of `demand` that is placed so; nothing where no tunnel carries it.

    By weight where several tunnels carry it; what is duplicated costs on each.
    """
    prices = {transport.name: transport.price for transport in overlay.transports}
    weight = 1 if overlay.duplicates(demand) else sum(share for _, share in placement.tunnels) or 1
    return sum(share / weight * prices[overlay.tunnel[name].transport] for name, share in placement.tunnels)
