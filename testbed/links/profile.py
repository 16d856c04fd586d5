"""What one direction of a link does to packets; the same meaning in every engine.

In the order in which a packet meets it: loss, duplication, corruption, the limited link with its queue, then delay.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Distribution(StrEnum):
    """How jitter spreads the delay. `jitter_ms` is the standard deviation, but for UNIFORM its half-width.

    NORMAL is cut off where the delay would be below zero. PARETO has shape 3, shifted to mean zero and scaled to the
    standard deviation, as netem's table of that name. TABLE draws from `jitter_table`.
    """

    UNIFORM = "uniform"
    NORMAL = "normal"
    PARETO = "pareto"
    TABLE = "table"


class QueueDiscipline(StrEnum):
    """What a limited link does to its queue: drop what does not fit, or CoDel (RFC 8289), dropping or marking ECN."""

    TAIL_DROP = "tail-drop"
    CODEL = "codel"
    CODEL_ECN = "codel-ecn"


@dataclass(frozen=True)
class GilbertElliott:
    """Loss in bursts: a chain of a good and a bad state (netem's `gemodel`), all four parameters as shares from 0 to 1.

    `p` is the chance per packet to go from good to bad, `r` back; a packet is lost with `loss_good` or `loss_bad`
    (netem's 1-k and 1-h). Mean loss is (p·loss_bad + r·loss_good) / (p + r); bursts last 1/r packets on average.
    """

    p: float
    r: float
    loss_bad: float = 1.0
    loss_good: float = 0.0


@dataclass(frozen=True)
class Queue:
    """The finite queue of a limited link, in exactly one of packets, bytes or milliseconds of the rate."""

    packets: int | None = None
    bytes: int | None = None
    ms: float | None = None
    discipline: QueueDiscipline = QueueDiscipline.TAIL_DROP


@dataclass(frozen=True)
class LinkProfile:
    """One direction of a link.

    Without `reorder` packets keep their order however delay varies. `loss`, `duplicate` and `corrupt` are chances per
    packet from 0 to 1; a corrupted packet has one bit flipped. Of `loss`, `loss_bursts` and `loss_trace` at most one is
    given; a trace says for each packet in turn whether it is lost and starts again at its end. `rate_bps` counts whole
    Ethernet frames and is None where the link does not limit; a limited link has a queue. What waits in it when the
    profile changes is sent at the new rate.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    distribution: Distribution = Distribution.NORMAL
    jitter_table: tuple[float, ...] = ()
    """Deviations from `delay_ms` in milliseconds, drawn with equal chance; for TABLE only."""
    reorder: bool = False
    loss: float = 0.0
    loss_bursts: GilbertElliott | None = None
    loss_trace: tuple[bool, ...] = ()
    duplicate: float = 0.0
    corrupt: float = 0.0
    rate_bps: int | None = None
    queue: Queue = Queue(ms=50.0)

    @property
    def transparent(self) -> bool:
        """True if packets pass unchanged, so that a plain veth pair will do."""
        return self == LinkProfile()
