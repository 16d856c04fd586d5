"""What a user may ask a link to do to packets; `testbed.plan.profiles` makes profiles of it.

`Parameters` are those of a direction, `Change` adds both directions at once and each by itself, `Impairment` and
`LinkOverride` add what cannot change while a lab runs.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    WithJsonSchema,
    field_validator,
)
from pydantic_core.core_schema import ValidationInfo

from testbed.graph import Tier
from testbed.links.profile import Distribution, Queue, QueueDiscipline
from testbed.links.trace import AtEnd
from testbed.scenario.base import Strict
from testbed.units import DistanceKm, DurationMs, Rate, Ratio, parse_duration_ms

LONGEST_MS = 60_000.0
"""Nobody means a link that holds packets for longer than a minute."""

_INTERVALS_MS = (10.0, 60_000.0)
_RATES_BPS = (1_000, 10**12)
_SIZE = re.compile(r"^\s*(\d+)\s*(packets?|[kM]?B)\s*$")
_BYTES = {"B": 1, "kB": 1000, "MB": 1000**2}
_WANT_QUEUE = 'a queue such as "50ms", "100 packets" or "64kB", above zero'


def _not_absurd(duration_ms: float) -> float:
    if duration_ms > LONGEST_MS:
        raise ValueError('want a duration of at most "60s"')
    return duration_ms


def _possible(rate_bps: int) -> int:
    if not _RATES_BPS[0] <= rate_bps <= _RATES_BPS[1]:
        raise ValueError('want a rate from "1kbit" to "1000Gbit"')
    return rate_bps


def parse_queue(value: object) -> Queue:
    """A queue from `"50ms"`, `"100 packets"` or `"64kB"`; ValueError for anything else."""
    match = _SIZE.match(value) if isinstance(value, str) else None
    if match is None:
        try:
            queue = Queue(ms=_not_absurd(parse_duration_ms(value)))
        except ValueError as error:
            raise ValueError(f"want {_WANT_QUEUE}, at most 60s") from error
    elif match[2].startswith("packet"):
        queue = Queue(packets=int(match[1]))
    else:
        queue = Queue(bytes=int(match[1]) * _BYTES[match[2]])
    size = queue.ms or queue.packets or queue.bytes
    if not size or (queue.packets or 0) > 1_000_000 or (queue.bytes or 0) > 10**9:
        raise ValueError(f"want {_WANT_QUEUE}, at most 1000000 packets or 1000MB")
    return queue


def format_queue(queue: Queue) -> str:
    """`Queue(ms=50)` as `"50ms"`."""
    if queue.packets is not None:
        return f"{queue.packets} packets"
    return f"{queue.bytes}B" if queue.bytes is not None else f"{queue.ms:g}ms"


Duration = Annotated[DurationMs, AfterValidator(_not_absurd)]
"""A delay that a link may have."""

LinkRate = Annotated[Rate, AfterValidator(_possible)]
"""A rate that a link may have."""


def parse_interval(value: object) -> float | None:
    """Milliseconds, None for `off`, which YAML 1.1 reads as false; ValueError for anything else."""
    if value is False or value == "off":
        return None
    try:
        interval_ms = parse_duration_ms(value)
    except ValueError:
        interval_ms = 0.0
    if not _INTERVALS_MS[0] <= interval_ms <= _INTERVALS_MS[1]:
        raise ValueError('want an interval from "10ms" to "60s", or off')
    return interval_ms


def format_interval(interval_ms: float | None) -> str:
    """`100.0` as `"100ms"`, None as `"off"`."""
    return "off" if interval_ms is None else f"{interval_ms:g}ms"


ProbeInterval = Annotated[
    float | None,
    BeforeValidator(parse_interval),
    PlainSerializer(format_interval, return_type=str),
    WithJsonSchema({"type": ["string", "boolean"], "examples": ["100ms", "off"]}),
]

QueueSize = Annotated[
    Queue,
    BeforeValidator(parse_queue),
    PlainSerializer(format_queue, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["50ms", "100 packets", "64kB"]}),
]


class BurstLoss(Strict):
    """Loss in bursts by a Gilbert-Elliott chain: mean (p·loss_bad + r·loss_good) / (p + r), bursts of 1/r packets."""

    p: Ratio = Field(description="Chance per packet to go from the good state to the bad one.", examples=["1%"])
    r: Ratio = Field(description="Chance per packet to go back.", examples=["25%"])
    loss_bad: Ratio = Field(default=1.0, description="Loss in the bad state.", examples=["100%"])
    loss_good: Ratio = Field(default=0.0, description="Loss in the good state.", examples=["0%"])

    @field_validator("r")
    @classmethod
    def _leaves_bad(cls, r: float) -> float:
        if r == 0:
            raise ValueError("want a share above 0%, or the bad state would never end")
        return r


class TraceLoss(Strict):
    """Loss that was seen elsewhere, packet by packet."""

    trace: str = Field(
        description="A file beside the scenario: a 0 (arrives) or 1 (lost) for each packet; it repeats at its end.",
        examples=["traces/loss.txt"],
    )


LOSS_MODELS = frozenset({"share", "bursts", "loss-trace"})
"""Tags of the loss models; they appear in pydantic's paths, but not in files."""


def _loss_model(value: Any) -> str | None:
    if isinstance(value, BurstLoss | TraceLoss):
        return "bursts" if isinstance(value, BurstLoss) else "loss-trace"
    if not isinstance(value, dict):
        return "share"
    if "trace" in value:
        return "loss-trace" if len(value) == 1 else None
    return "bursts"


Loss = Annotated[
    Annotated[Ratio, Tag("share")] | Annotated[BurstLoss, Tag("bursts")] | Annotated[TraceLoss, Tag("loss-trace")],
    Discriminator(
        _loss_model,
        custom_error_type="loss",
        custom_error_message='want one model: a share such as "0.1%", {p, r, loss_bad, loss_good} or {trace: FILE}',
    ),
]


class ProfileTrace(Strict):
    """A link that changes as a file says."""

    file: str = Field(
        description="A file beside the scenario; each line is a rate, then optionally a delay and a loss.",
        examples=["traces/uplink-5g-synthetic.txt"],
    )
    interval: Duration = Field(default=100.0, ge=10, description="Time between two lines.", examples=["100ms"])
    at_end: AtEnd = Field(
        default=AtEnd.REPEAT, description="After the last line: begin again, or keep it.", examples=["repeat"]
    )


class Parameters(Strict):
    """What one direction does to packets; what is left out stays as it was."""

    delay: Duration | None = Field(default=None, description="One-way delay.", examples=["1ms"])
    jitter: Duration | None = Field(
        default=None,
        description="Standard deviation of the delay, for `uniform` its half-width.",
        examples=["0.1ms"],
    )
    jitter_table: str | None = Field(
        default=None,
        description="A file beside the scenario: deviations from the delay in milliseconds, one a line.",
        examples=["traces/jitter.txt"],
    )
    distribution: Distribution | None = Field(
        default=None,
        description="How jitter spreads the delay; `table` draws from `jitter_table`.",
        examples=["pareto"],
    )
    reorder: bool | None = Field(
        default=None, description="Whether a packet with less delay overtakes those before it.", examples=[True]
    )
    loss: Loss | None = Field(
        default=None,
        description="Share of packets lost at random, or bursts, or a trace.",
        examples=["0.1%", {"p": "1%", "r": "25%"}, {"trace": "traces/loss.txt"}],
    )
    duplicate: Ratio | None = Field(default=None, description="Share of packets that arrive twice.", examples=["0.1%"])
    corrupt: Ratio | None = Field(default=None, description="Share of packets with a flipped bit.", examples=["0.01%"])
    rate: LinkRate | None = Field(default=None, description="Rate limit, whole frames.", examples=["300Mbit"])
    queue: QueueSize | None = Field(
        default=None, description="Queue of a limited link: time, packets or bytes.", examples=["50ms", "100 packets"]
    )
    queue_discipline: QueueDiscipline | None = Field(
        default=None, description="What a full queue does; CoDel is RFC 8289.", examples=["codel-ecn"]
    )
    trace: ProfileTrace | None = Field(
        default=None,
        description="Change rate, delay and loss over time.",
        examples=[{"file": "traces/uplink-5g-synthetic.txt"}],
    )

    @field_validator("jitter_table")
    @classmethod
    def _instead_of_jitter(cls, table: str | None, info: ValidationInfo) -> str | None:
        if table is not None and info.data.get("jitter") is not None:
            raise ValueError("want either `jitter` or `jitter_table`")
        return table

    @field_validator("distribution")
    @classmethod
    def _has_its_table(cls, distribution: Distribution | None, info: ValidationInfo) -> Distribution | None:
        if (distribution is Distribution.TABLE) != bool(info.data.get("jitter_table")) and distribution is not None:
            raise ValueError("want `table` together with a `jitter_table`, and no other distribution with one")
        return distribution


class Change(Parameters):
    """What a running link can be told: both directions, then each by itself."""

    preset: str | None = Field(
        default=None,
        description="Begin with a preset, of a tier or by name, instead of what the link was.",
        examples=["geo-satellite"],
    )
    up: Parameters | None = Field(
        default=None, description="Only from the link's first node to its second.", examples=[{"rate": "50Mbit"}]
    )
    down: Parameters | None = Field(
        default=None, description="Only from the link's second node to its first.", examples=[{"rate": "100Mbit"}]
    )


class Impairment(Change):
    """What a link does to packets; what is left out keeps the tier's preset."""

    mtu: int | None = Field(default=None, ge=576, le=9000, description="MTU in octets.", examples=[1500])


class LinkOverride(Impairment):
    """An impairment of one link, named."""

    link: str = Field(description="The link's name, `a-b`.", examples=["gnb1-csr1"])
    distance: DistanceKm | None = Field(
        default=None, description="Length of fibre; adds 5 µs a kilometre to the delay.", examples=["80km"]
    )


class Links(Strict):
    """The link engine and what differs from the tiers' presets."""

    engine: Literal["auto", "netem", "wire"] = Field(
        default="auto", description="Link engine; `auto` takes netem where the kernel has it.", examples=["auto"]
    )
    probe: ProbeInterval = Field(
        default=100.0,
        description="How often small frames measure each direction of each emulated link; `off`: never.",
        examples=["100ms", "off"],
    )
    tiers: dict[Tier, Impairment] = Field(
        default_factory=dict, description="Presets to change, by tier.", examples=[{"radio": {"delay": "2ms"}}]
    )
    override: list[LinkOverride] = Field(
        default_factory=list, description="Single links to change.", examples=[[{"link": "m1-m2", "delay": "1ms"}]]
    )
