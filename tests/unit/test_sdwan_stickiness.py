"""Demands stay where they are unless there is a reason, and what that costs is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controllers.joint.quality import Sla
from controllers.sdwan.accounting import cost
from controllers.sdwan.controller import DemandMoved, Emit
from controllers.sdwan.network import Forwarding, Overlay
from controllers.sdwan.steering import Placement
from tests.support.overlays import BULK, DEFAULT, VOICE, OverlayLab, make_overlay

BOTH = ("mpls", "internet")
TWO_SITES = make_overlay({"a": BOTH, "b": BOTH})
RULES = TWO_SITES.probing
WINDOW_S = RULES.window_ms / 1000
CALLS = "calls:a>b"


def ready(overlay: Overlay = TWO_SITES) -> OverlayLab:
    lab = OverlayLab(overlay)
    lab.answer()
    lab.windows(2)
    return lab


def tunnels(lab: OverlayLab, demand: str = CALLS) -> tuple[str, ...]:
    return lab.controller.placements[demand].names


def moves(lab: OverlayLab) -> list[DemandMoved]:
    return [each for each in lab.controller.decisions if isinstance(each, DemandMoved)]


def kinds(lab: OverlayLab, kind: str) -> list[Emit]:
    return [event for event in lab.events if event.kind == kind]


def test_what_has_moved_stays_until_the_sla_is_met_with_a_margin_for_long_enough() -> None:
    lab = ready()
    lab.windows(RULES.bad, mpls=(60.0, 0.0))
    lab.windows(20, mpls=(48.0, 0.0))
    assert tunnels(lab) == ("a>b:internet",)
    lab.windows(RULES.good - 1)
    assert tunnels(lab) == ("a>b:internet",)
    lab.windows(1)
    assert tunnels(lab) == ("a>b:mpls",)


def test_a_demand_without_a_good_tunnel_takes_the_least_bad_and_two_bad_ones_take_no_turns() -> None:
    lab = ready()
    lab.windows(6, mpls=(90.0, 0.0), internet=(60.0, 0.0))
    assert tunnels(lab) == ("a>b:internet",)
    made = len(moves(lab))
    for delay in (58.0, 62.0, 58.0, 62.0):
        lab.windows(6, mpls=(delay, 0.0), internet=(60.0, 0.0))
        # Something else happens, so that everything is looked at again.
        lab.run(lab.controller.liveness("b>a:mpls", up=False, now=lab.now))
        lab.run(lab.controller.liveness("b>a:mpls", up=True, now=lab.now))
    assert [each for each in moves(lab)[made:] if each.demand == CALLS] == []


def test_where_all_is_down_everything_stays() -> None:
    lab = ready()
    before = dict(lab.controller.placements)
    lab.answer(*(tunnel.name for tunnel in TWO_SITES.tunnels if tunnel.transport == "internet"))
    lab.answer(*TWO_SITES.tunnel)
    assert lab.controller.placements == before
    assert all(placed.tunnels for placed in lab.controller.placements.values())


def test_violated_time_is_counted_only_while_the_demand_is_there() -> None:
    lab = ready()
    lab.windows(5, mpls=(60.0, 0.0))
    counted = [event.fields for event in kinds(lab, "sla_violated") if event.fields["demand"] == CALLS]
    assert counted == [{"demand": CALLS, "seconds": WINDOW_S}] * RULES.bad
    assert {event.fields["demand"] for event in kinds(lab, "sla_violated")} == {CALLS, "calls:b>a"}


def test_every_move_is_told_once_and_so_is_what_it_costs() -> None:
    lab = ready(make_overlay({"a": BOTH, "b": BOTH}, prices={"mpls": 10, "internet": 1}))
    lab.windows(RULES.bad, mpls=(60.0, 0.0))
    moved = [event.fields["demand"] for event in kinds(lab, "demand_moved")]
    assert sorted(map(str, moved)) == [CALLS, "calls:b>a"]
    assert kinds(lab, "overlay_cost")


def test_cost_is_rate_times_price_by_weight() -> None:
    overlay = make_overlay({"a": BOTH, "b": BOTH}, prices={"mpls": 10, "internet": 2})
    demands = tuple(replace(each, rate_bps=8_000_000 if each.name == CALLS else 0) for each in overlay.demands)
    overlay = replace(overlay, demands=demands)
    placements = {each.name: Placement() for each in demands}
    placements[CALLS] = Placement((("a>b:mpls", 3), ("a>b:internet", 1)))
    assert cost(overlay, placements) == 6 * 10 + 2 * 2


@pytest.mark.parametrize(
    ("forwarding", "taken"),
    [
        (Forwarding.PREFERRED, ("a>b:mpls",)),
        (Forwarding.CHEAPEST, ("a>b:internet",)),
        (Forwarding.BALANCE, ("a>b:mpls", "a>b:internet")),
    ],
)
def test_forwarding_chooses_among_those_that_meet_the_sla(forwarding: Forwarding, taken: tuple[str, ...]) -> None:
    voice = replace(VOICE, forwarding=forwarding, sla=Sla(delay_ms=50))
    lab = ready(
        make_overlay({"a": BOTH, "b": BOTH}, classes=(voice, BULK, DEFAULT), prices={"mpls": 10, "internet": 1})
    )
    assert tunnels(lab) == taken
    lab.windows(RULES.bad, mpls=(60.0, 0.0))
    assert tunnels(lab) == ("a>b:internet",)
    lab.windows(RULES.good, internet=(60.0, 0.0))
    assert tunnels(lab) == ("a>b:mpls",)
