"""What one direction of a link does to packets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LinkProfile:
    """One direction of a link.

    `jitter_ms` is the standard deviation of a normal distribution around `delay_ms`, cut off at zero delay; packets
    keep their order. `loss` is the share of packets dropped at random, 0 to 1. `rate_bps` is None where the link does
    not limit; `queue_ms` is how long a packet may wait for a limited link before it is dropped at the tail.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    rate_bps: int | None = None
    queue_ms: float = 50.0

    @property
    def transparent(self) -> bool:
        """True if packets pass unchanged, so that a plain veth pair will do."""
        return not (self.delay_ms or self.jitter_ms or self.loss or self.rate_bps)
