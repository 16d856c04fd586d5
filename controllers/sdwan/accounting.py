"""What a placement costs, and whose SLA a window of probes has found violated: undamped, to compare modes by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from controllers.joint.quality import Quality, Sla, breaches
from controllers.sdwan.network import Overlay
from controllers.sdwan.steering import Placement
from controllers.sdwan.telemetry import ClassWindow


def violated(overlay: Overlay, placements: Mapping[str, Placement], windows: Iterable[ClassWindow]) -> Iterator[str]:
    """The demands that were on a tunnel while it broke a bound of their class, once for each such window."""
    for window in windows:
        for demand in overlay.demands:
            measured = window.dscp == overlay.class_of[demand.application].dscp
            taken = demand.expected and window.tunnel in placements[demand.name].names
            if measured and taken and breaks(window, overlay.sla(demand)):
                yield demand.name


def breaks(window: ClassWindow, wanted: Sla) -> bool:
    """Whether a window breaks a bound; one in which nothing came through breaks any."""
    if window.sent and window.lost >= window.sent:
        return True
    loss = window.lost / window.sent if window.sent else 0.0
    return bool(breaches(wanted, Quality(window.delay_ms or 0.0, window.jitter_ms or 0.0, loss)))


def cost(overlay: Overlay, placements: Mapping[str, Placement]) -> float:
    """Rate in Mbit/s times price, over all demands; by weight where several tunnels carry one."""
    return sum(demand.rate_bps / 1e6 * price(overlay, placements[demand.name]) for demand in overlay.demands)


def price(overlay: Overlay, placement: Placement) -> float:
    """Of a Mbit/s that is placed so; by weight where several tunnels carry it, nothing where none does."""
    prices = {transport.name: transport.price for transport in overlay.transports}
    weight = sum(share for _, share in placement.tunnels) or 1
    return sum(share / weight * prices[overlay.tunnel[name].transport] for name, share in placement.tunnels)
