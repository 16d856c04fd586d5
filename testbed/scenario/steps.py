"""The steps of a timeline. Each is a mapping with one key that says what is done, and leaves a window."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag, field_validator, model_validator

from testbed.scenario.base import Label, Name, Strict
from testbed.scenario.impairment import Change, Duration, LinkRate
from testbed.scenario.sdwan import Mode
from testbed.scenario.srv6 import Policy, PolicyKey
from testbed.units import DurationMs, Ratio


class Measure(Strict):
    """Let the probes run for a while and call the result by a name."""

    measure: Label = Field(description="The name of the window.", examples=["before"])
    duration: DurationMs = Field(alias="for", gt=0, description="How long.", examples=["8s"])


class _Change(Strict):
    window: Label = Field(alias="as", description="The name of the window around the change.", examples=["insertion"])
    settle: DurationMs = Field(
        default=2000.0, description="How long the window goes on after the change.", examples=["2s"]
    )


class UlclTarget(Strict):
    """Whose session, through which UPF, and which services break out there."""

    ue: Name = Field(description="The user whose session it is.", examples=["ue1"])
    upf: Name = Field(description="The edge UPF: UL CL and local PSA.", examples=["upf-edge"])
    services: list[str] = Field(min_length=1, description="Services to break out locally.", examples=[["portal"]])


class InsertUlcl(_Change):
    """Insert an edge UPF as UL CL with a local PSA (TS 23.502 §4.3.5.4)."""

    insert_ulcl: UlclTarget = Field(
        description="What to insert.", examples=[{"ue": "ue1", "upf": "upf-edge", "services": ["portal"]}]
    )


class UlclSession(Strict):
    """Whose session."""

    ue: Name = Field(description="The user whose session it is.", examples=["ue1"])


class RemoveUlcl(_Change):
    """Remove the UL CL again (TS 23.502 §4.3.5.5)."""

    remove_ulcl: UlclSession = Field(description="What to remove.", examples=[{"ue": "ue1"}])


class ImpairTarget(Change):
    """Which links, and what they do from now on; what is left out stays as it is at that moment."""

    links: list[str] = Field(min_length=1, description="The links to change.", examples=[["m1-m2"]])

    @model_validator(mode="after")
    def _something_changes(self) -> ImpairTarget:
        if not self.model_fields_set - {"links"}:
            raise ValueError("want something that changes, such as delay: 20ms")
        return self


class Impair(_Change):
    """Change what links do to packets."""

    impair: ImpairTarget = Field(
        description="The change.", examples=[{"links": ["m1-m2"], "delay": "20ms", "loss": "1%"}]
    )


class ResetTarget(Strict):
    """Which links."""

    links: list[str] = Field(min_length=1, description="The links to put back.", examples=[["m1-m2"]])


class Reset(_Change):
    """Put links back to what they were when the lab started, and up."""

    reset: ResetTarget = Field(description="The links.", examples=[{"links": ["m1-m2"]}])


class LinkTarget(Strict):
    """A link and its new state."""

    name: str = Field(description="The link.", examples=["m1-m2"])
    state: Literal["up", "down"] = Field(description="A link that is down carries nothing.", examples=["down"])


class LinkState(_Change):
    """Cut a link or mend it; both of its nodes see their interface lose or regain its carrier."""

    link: LinkTarget = Field(description="The link and its state.", examples=[{"name": "m1-m2", "state": "down"}])


class _Span(Strict):
    @property
    def ends(self) -> tuple[float, float]:
        """First and last value."""
        return self.first, self.last  # type: ignore[attr-defined]


class DurationSpan(_Span):
    """A duration that moves."""

    first: Duration = Field(alias="from", description="The first value.", examples=["1ms"])
    last: Duration = Field(alias="to", description="The last value.", examples=["50ms"])


class RatioSpan(_Span):
    """A share that moves."""

    first: Ratio = Field(alias="from", description="The first value.", examples=["0%"])
    last: Ratio = Field(alias="to", description="The last value.", examples=["5%"])


class RateSpan(_Span):
    """A rate that moves."""

    first: LinkRate = Field(alias="from", description="The first value.", examples=["100Mbit"])
    last: LinkRate = Field(alias="to", description="The last value.", examples=["10Mbit"])


class RampTarget(Strict):
    """Which links, and what moves, all of it at once and in equal steps."""

    links: list[str] = Field(min_length=1, description="The links to change.", examples=[["m1-m2"]])
    delay: DurationSpan | None = Field(
        default=None, description="One-way delay.", examples=[{"from": "1ms", "to": "50ms"}]
    )
    jitter: DurationSpan | None = Field(default=None, description="Jitter.", examples=[{"from": "0ms", "to": "5ms"}])
    loss: RatioSpan | None = Field(
        default=None, description="Share of packets lost at random.", examples=[{"from": "0%", "to": "5%"}]
    )
    rate: RateSpan | None = Field(
        default=None, description="Rate limit.", examples=[{"from": "100Mbit", "to": "10Mbit"}]
    )
    over: DurationMs = Field(gt=0, description="How long it takes.", examples=["10s"])
    steps: int = Field(default=20, ge=1, le=1000, description="In how many steps.", examples=[20])

    @field_validator("steps")
    @classmethod
    def _not_too_fast(cls, steps: int, info: Any) -> int:
        over = info.data.get("over")
        if over is not None and over / steps < 10:
            raise ValueError("want at least 10ms for each step")
        return steps

    @model_validator(mode="after")
    def _something_moves(self) -> RampTarget:
        if not self.spans:
            raise ValueError("want at least one of delay, jitter, loss and rate")
        return self

    @property
    def spans(self) -> dict[str, tuple[float, float]]:
        """What moves: parameter → first and last value."""
        moving = {"delay": self.delay, "jitter": self.jitter, "loss": self.loss, "rate": self.rate}
        return {name: span.ends for name, span in moving.items() if span is not None}


class Ramp(_Change):
    """Move parameters of links from one value to another."""

    ramp: RampTarget = Field(
        description="What moves.",
        examples=[{"links": ["m1-m2"], "delay": {"from": "1ms", "to": "50ms"}, "over": "10s"}],
    )


class PolicyTarget(Strict):
    """A policy that comes or goes."""

    add: Policy | None = Field(
        default=None,
        description="A policy to add; it takes the place of one with the same headend, color and endpoint.",
        examples=[{"headend": "pe1", "color": 100, "endpoint": "pe2", "dynamic": {"metric": "delay"}}],
    )
    remove: PolicyKey | None = Field(
        default=None,
        description="A policy to remove.",
        examples=[{"headend": "pe1", "color": 100, "endpoint": "pe2"}],
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> PolicyTarget:
        if (self.add is None) == (self.remove is None):
            raise ValueError("want either `add` or `remove`")
        return self


class ChangePolicy(_Change):
    """Add an SR Policy or remove one, by the controller's northbound."""

    policy: PolicyTarget = Field(
        description="The policy.", examples=[{"remove": {"headend": "pe1", "color": 100, "endpoint": "pe2"}}]
    )


class Restart(_Change):
    """Kill a process without warning and start it again."""

    restart: Literal["controller"] = Field(description="The process.", examples=["controller"])


class Schedule(_Change):
    """Put the overlay back to what it was at first, and go on in another mode: to compare them in one run."""

    schedule: Mode = Field(description="The mode.", examples=["joint"])


STEPS: dict[str, type[BaseModel]] = {
    "measure": Measure,
    "insert_ulcl": InsertUlcl,
    "remove_ulcl": RemoveUlcl,
    "impair": Impair,
    "reset": Reset,
    "link": LinkState,
    "ramp": Ramp,
    "policy": ChangePolicy,
    "restart": Restart,
    "schedule": Schedule,
}


def _step_kind(step: Any) -> str | None:
    keys = step.keys() if isinstance(step, dict) else getattr(type(step), "model_fields", ())
    return next((kind for kind in STEPS if kind in keys), None)


Step = Annotated[
    Annotated[Measure, Tag("measure")]
    | Annotated[InsertUlcl, Tag("insert_ulcl")]
    | Annotated[RemoveUlcl, Tag("remove_ulcl")]
    | Annotated[Impair, Tag("impair")]
    | Annotated[Reset, Tag("reset")]
    | Annotated[LinkState, Tag("link")]
    | Annotated[Ramp, Tag("ramp")]
    | Annotated[ChangePolicy, Tag("policy")]
    | Annotated[Restart, Tag("restart")]
    | Annotated[Schedule, Tag("schedule")],
    Discriminator(
        _step_kind,
        custom_error_type="step",
        custom_error_message=f"want a step with one of the keys {', '.join(STEPS)}",
    ),
]
