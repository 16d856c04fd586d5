"""The shape of result.json; its JSON Schema is result.schema.json beside this module."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Distribution(_Part):
    """Milliseconds; percentiles by nearest rank. All null if there were no values."""

    min: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None
    mean: float | None


class OneWayDelays(_Part):
    """One-way delays: `up` towards the service, `down` back."""

    up: Distribution
    down: Distribution


class StampMeasurement(_Part):
    """A STAMP probe in a window. `loss` is a share from 0 to 1."""

    sent: int
    lost: int
    loss: float | None
    rtt_ms: Distribution
    owd_ms: OneWayDelays
    longest_gap_ms: float | None
    reordered: int


class HttpMeasurement(_Part):
    """An HTTP probe in a window; durations are of the requests that succeeded."""

    requests: int
    errors: int
    connect_ms: Distribution
    ttfb_ms: Distribution
    total_ms: Distribution
    served_by: dict[str, int]


class FlowMeasurement(_Part):
    """What a flow counter counted in a window; null if it was not read."""

    bytes: int | None
    packets: int | None


class ApplicationMeasurement(_Part):
    """An application of the overlay in a window: how long its SLA did not hold, and how often it was moved."""

    violated_s: float
    moves: int


Measurement = StampMeasurement | HttpMeasurement | FlowMeasurement | ApplicationMeasurement


class ExpectationResult(_Part):
    """An expectation, judged; `value` and `bound` in `unit`, null if not measured."""

    expr: str
    value: float | None
    bound: float | None
    unit: str
    passed: bool


class LinkDirection(BaseModel):
    """What one direction was told to do to packets; further parameters of the engine may follow."""

    model_config = ConfigDict(extra="allow", frozen=True)

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    rate_bps: int | None = None


class ProbeFigures(_Part):
    """Probes of one direction of a link, by the time at which they were sent; `delay_ms` is one way."""

    sent: int
    lost: int
    delay_ms: Distribution


class LinkProbeResult(ProbeFigures):
    """Over the whole timeline, and in each of its windows by name."""

    windows: dict[str, ProbeFigures]


class LinkAchieved(BaseModel):
    """What one direction did during the timeline; `loss` is the share of packets that the profile took.

    Lateness is how much later than due packets left the engine, in microseconds. Counters hold the probe's frames too;
    `probe` is null where links are not probed.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    packets: int
    bytes: int
    loss: float | None = None
    dropped_loss: int = 0
    dropped_queue: int = 0
    dropped_error: int = 0
    lateness_us_p50: float | None = None
    lateness_us_p99: float | None = None
    probe: LinkProbeResult | None = None


class Configured(_Part):
    """A link's profile in each direction, as it was when the timeline began."""

    a_to_b: LinkDirection
    b_to_a: LinkDirection


class Achieved(_Part):
    """A link's counters in each direction."""

    a_to_b: LinkAchieved
    b_to_a: LinkAchieved


class LinkResult(_Part):
    """A link; `achieved` is null where no engine carried it (a plain veth pair)."""

    name: str
    tier: str
    engine: str
    configured: Configured
    achieved: Achieved | None = None


class TunnelResult(_Part):
    """The GTP-U tunnel that a packet was seen in."""

    src: str
    dst: str
    teid: int
    qfi: int | None


class HopResult(_Part):
    """A packet seen at a capture point; `direction` is `up` for the probe and `down` for the reply.

    `vni` is that of the overlay's tenant, for a packet between CPEs.
    """

    point: str
    node: str
    t: float
    direction: str
    tunnel: TunnelResult | None
    vni: int | None = None


class PathResult(_Part):
    """One STAMP probe of a window, followed through the captures."""

    window: str
    probe: str
    sequence: int
    hops: list[HopResult]


class ModeResult(_Part):
    """What a mode of the overlay's scheduling came to; `violated_s` by application, `cost` is the mean over time."""

    mode: str
    start: float
    end: float
    violated_s: dict[str, float]
    lost: int
    cost: float
    moves: int


class OverlayFinding(_Part):
    """What probes found of a tunnel, so long after the step; `measured` is the bound of an SLA that was broken."""

    tunnel: str
    found: Literal["blackout", "brownout", "up again", "good again"]
    sla_class: str | None
    measured: str | None
    after_ms: float


class OverlayMove(_Part):
    """An application's traffic between two CPEs was moved from tunnels to others, so long after the step."""

    application: str
    ends: str
    source: str
    target: str
    after_ms: float
    why: str


class OverlayReroute(_Part):
    """An SR Policy was led another way, so long after the step."""

    policy: str
    to: str
    after_ms: float
    why: str


class OverlayChange(_Part):
    """A step that the overlay had to answer, at `t` in Unix seconds, and all that followed until the next one."""

    window: str
    t: float
    what: str
    findings: list[OverlayFinding]
    moves: list[OverlayMove]
    reroutes: list[OverlayReroute]


class Result(_Part):
    """The outcome of a run. `reason` says why a run that is not `valid` cannot be believed."""

    scenario: str
    seed: int
    valid: bool
    passed: bool
    reason: str | None = None
    provenance: dict[str, Any]
    links: list[LinkResult]
    measurements: dict[str, Measurement] = Field(description="By `<window>.<probe, flow counter or application>`.")
    events: list[dict[str, Any]] = Field(description="In order of time; each has `t` and `kind`.")
    expectations: list[ExpectationResult]
    paths: list[PathResult]
    modes: list[ModeResult] = Field(default=[], description="Modes of scheduling that the timeline set, in turn.")
    overlay: list[OverlayChange] = Field(default=[], description="What the overlay found and moved, step by step.")


def schema_text() -> str:
    """The text of result.schema.json."""
    schema = Result.model_json_schema(mode="serialization")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"
