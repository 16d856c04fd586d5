"""The overlay's controller over switches in memory: what is measured moves what it should, once, and says why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controllers.flows import Bucket, Group, GroupKind, ModifyGroup, Output
from controllers.joint.model import Mode
from controllers.sdwan.controller import Emit
from controllers.sdwan.network import Forwarding
from tests.support.overlay_switch import OverlaySwitch
from tests.support.overlays import BULK, BULK_PORT, DEFAULT, VOICE, VOICE_PORT, OverlayLab, make_overlay

BOTH = ("mpls", "internet")


@pytest.fixture
def lab() -> OverlayLab:
    """Two sites whose tunnels have answered."""
    lab = OverlayLab(make_overlay({"a": BOTH, "b": BOTH}))
    lab.answer()
    lab.events.clear()
    return lab


def told(lab: OverlayLab, kind: str) -> list[Emit]:
    return [event for event in lab.events if event.kind == kind]


def moved(lab: OverlayLab) -> dict[str, tuple[str, ...]]:
    """Demand → where it was moved to last."""
    return {str(event.fields["demand"]): tuple(event.fields["to"]) for event in told(lab, "demand_moved")}  # type: ignore[arg-type]


def way(lab: OverlayLab, port: int) -> tuple[str, ...]:
    """The tunnels that UDP to `port` takes from a to b."""
    return lab.send("a", "b", destination_port=port, ip_proto=17).tunnels


def test_the_overlay_is_ready_once_every_tunnel_has_answered() -> None:
    lab = OverlayLab(make_overlay({"a": BOTH, "b": BOTH}))
    lab.answer("a>b:mpls")
    assert told(lab, "overlay_ready") == []
    lab.answer()
    lab.answer()
    assert len(told(lab, "overlay_ready")) == 1
    assert told(lab, "tunnel_down") == [], "one that has not answered yet has not failed"


def test_a_controller_that_starts_again_knows_from_windows_what_answers() -> None:
    """Liveness is told when it changes, and it changed before."""
    lab = OverlayLab(make_overlay({"a": BOTH, "b": BOTH}))
    lab.windows(1)
    assert len(told(lab, "overlay_ready")) == 1
    lab.answer("a>b:mpls")
    assert lab.send("a", "b").tunnels == ("a>b:internet",)


def test_a_controller_that_starts_again_finds_what_has_been_silent() -> None:
    lab = OverlayLab(make_overlay({"a": BOTH, "b": BOTH}))
    lab.windows(lab.overlay.probing.good, mpls=(10.0, 1.0))
    assert lab.send("a", "b").tunnels == ("a>b:mpls",), "it may be coming up"
    lab.windows(1, mpls=(10.0, 1.0))
    assert lab.send("a", "b").tunnels == ("a>b:internet",)
    assert {event.fields["tunnel"] for event in told(lab, "tunnel_down")} == {"a>b:mpls", "b>a:mpls"}
    assert len(told(lab, "overlay_ready")) == 1


@pytest.mark.parametrize("mpls", [(10.0, 1.0), (80.0, 0.0), (10.0, 0.0)], ids=["dark", "slow", "good"])
def test_a_controller_that_starts_again_leaves_what_was_moved_until_it_can_judge(
    lab: OverlayLab, mpls: tuple[float, float]
) -> None:
    lab.answer("a>b:mpls", "b>a:mpls")
    assert way(lab, VOICE_PORT) == ("a>b:internet",)
    lab.restart()
    good = mpls == (10.0, 0.0)
    for _ in range(2 * lab.overlay.probing.good):
        assert way(lab, VOICE_PORT) == ("a>b:internet",)
        lab.windows(1, mpls=mpls)
        if good and way(lab, VOICE_PORT) == ("a>b:mpls",):
            break
    assert way(lab, VOICE_PORT) == (("a>b:mpls",) if good else ("a>b:internet",))


def test_a_controller_that_starts_again_moves_what_goes_dark_at_once(lab: OverlayLab) -> None:
    lab.answer("a>b:mpls", "b>a:mpls")
    lab.restart()
    lab.answer()
    lab.answer("a>b:internet", "b>a:internet")
    assert lab.send("a", "b").tunnels == ("a>b:mpls",)


def test_a_switch_that_comes_late_gets_what_was_found_before() -> None:
    lab = OverlayLab(make_overlay({"a": BOTH, "b": BOTH}), without="a")
    lab.answer()
    lab.answer("a>b:mpls", "b>a:mpls")
    lab.connect("a")
    lab.windows(1)
    assert way(lab, VOICE_PORT) == ("a>b:internet",)


def test_a_placement_that_the_class_forbids_is_not_taken_over(lab: OverlayLab) -> None:
    number = next(n for n, each in enumerate(lab.overlay.demands, 1) if each.name == "backup:a>b")
    mpls = lab.overlay.tunnel["a>b:mpls"].port
    lab.switches["a"].apply(ModifyGroup(Group(number, GroupKind.SELECT, (Bucket((Output(mpls),), 1),))))
    assert way(lab, BULK_PORT) == ("a>b:mpls",)
    lab.restart()
    assert way(lab, BULK_PORT) == ("a>b:internet",)


def test_a_blackout_moves_what_was_on_the_tunnel_at_once(lab: OverlayLab) -> None:
    lab.answer("a>b:mpls")
    assert lab.send("a", "b", destination_port=VOICE_PORT).tunnels == ("a>b:internet",)
    assert lab.send("b", "a", destination_port=VOICE_PORT).tunnels == ("b>a:mpls",), "that way is well"
    assert moved(lab) == {"calls:a>b": ("a>b:internet",), "other:a>b": ("a>b:internet",)}
    assert told(lab, "tunnel_down") == [Emit("tunnel_down", {"tunnel": "a>b:mpls"})]
    assert {event.fields["why"] for event in told(lab, "demand_moved")} == {"a>b:mpls is down"}


def test_a_tunnel_that_has_not_proved_itself_is_better_than_a_dark_one(lab: OverlayLab) -> None:
    lab.answer("a>b:mpls")
    lab.answer()
    assert way(lab, VOICE_PORT) == ("a>b:internet",), "one is enough"
    lab.answer("a>b:internet")
    assert way(lab, VOICE_PORT) == ("a>b:mpls",)
    lab.answer("a>b:internet", "a>b:mpls")
    assert way(lab, VOICE_PORT) == ("a>b:mpls",), "nothing answers"
    lab.answer("a>b:mpls")
    assert way(lab, VOICE_PORT) == ("a>b:internet",)


def test_what_may_take_nothing_else_stays(lab: OverlayLab) -> None:
    lab.answer("a>b:internet")
    assert lab.send("a", "b", destination_port=BULK_PORT).tunnels == ("a>b:internet",)
    assert moved(lab) == {}


def test_it_comes_back_after_the_tunnel_has_proved_itself(lab: OverlayLab) -> None:
    lab.answer("a>b:mpls")
    lab.answer()
    lab.windows(lab.overlay.probing.good - 1)
    assert lab.send("a", "b").tunnels == ("a>b:internet",), "held"
    lab.windows(2)
    assert lab.send("a", "b").tunnels == ("a>b:mpls",)
    assert moved(lab)["other:a>b"] == ("a>b:mpls",)


@pytest.mark.parametrize(("measured", "bound"), [((51.0, 0.0), "delay_ms"), ((10.0, 0.05), "loss")])
def test_a_brownout_moves_the_classes_that_it_breaks(
    lab: OverlayLab, measured: tuple[float, float], bound: str
) -> None:
    lab.windows(lab.overlay.probing.bad, mpls=measured)
    assert {*moved(lab)} == {"calls:a>b", "calls:b>a"}, "the other class has no bounds"
    assert {event.fields["bound"] for event in told(lab, "sla_broken")} == {bound}
    why = {str(event.fields["why"]).split(": ")[0] for event in told(lab, "demand_moved")}
    assert why == {"a>b:mpls breaks voice", "b>a:mpls breaks voice"}


def test_one_bad_window_moves_nothing(lab: OverlayLab) -> None:
    for _ in range(5):
        lab.windows(1, mpls=(51.0, 0.0))
        lab.windows(1)
    assert moved(lab) == {}


def test_where_all_break_it_the_least_bad_is_taken(lab: OverlayLab) -> None:
    lab.windows(3, mpls=(90.0, 0.0), internet=(60.0, 0.0))
    assert lab.send("a", "b", destination_port=VOICE_PORT).tunnels == ("a>b:internet",)


def test_the_cheapest_that_meets_the_sla_carries_it() -> None:
    cheapest = replace(VOICE, forwarding=Forwarding.CHEAPEST)
    overlay = make_overlay(
        {"a": BOTH, "b": BOTH}, classes=(cheapest, BULK, DEFAULT), prices={"mpls": 10, "internet": 1}
    )
    lab = OverlayLab(overlay)
    lab.answer()
    assert lab.send("a", "b", destination_port=VOICE_PORT).tunnels == ("a>b:internet",)
    lab.windows(2, internet=(60.0, 0.0))
    assert lab.send("a", "b", destination_port=VOICE_PORT).tunnels == ("a>b:mpls",)


def test_static_moves_nothing_and_overlay_begins_anew(lab: OverlayLab) -> None:
    lab.answer("a>b:mpls")
    lab.run(lab.controller.set_mode(Mode.STATIC, lab.now))
    assert lab.send("a", "b").tunnels == ("a>b:mpls",), "as it was at first"
    lab.answer("a>b:mpls", "b>a:mpls")
    assert lab.send("b", "a").tunnels == ("b>a:mpls",)
    lab.run(lab.controller.set_mode(Mode.OVERLAY, lab.now))
    assert lab.send("a", "b").tunnels == ("a>b:internet",)


def test_seconds_of_violation_are_counted_while_a_demand_is_on_the_tunnel(lab: OverlayLab) -> None:
    lab.run(lab.controller.set_mode(Mode.STATIC, lab.now))
    lab.windows(3, mpls=(51.0, 0.0))
    seconds = [event.fields for event in told(lab, "sla_violated") if event.fields["demand"] == "calls:a>b"]
    assert [each["seconds"] for each in seconds] == [0.5, 0.5, 0.5]


def test_a_switch_that_nobody_knows_is_told_and_the_others_are_left_alone(lab: OverlayLab) -> None:
    before = [switch.changes for switch in lab.switches.values()]
    lab.run(lab.controller.switch_up(77))
    assert told(lab, "unknown_switch") == [Emit("unknown_switch", {"dpid": 77, "want": "one of 1 (a), 2 (b)"})]
    assert lab.controller.tables(77, OverlaySwitch().state, lab.now) == []
    assert [switch.changes for switch in lab.switches.values()] == before


def test_a_switch_that_comes_back_empty_gets_what_was_moved_meanwhile(lab: OverlayLab) -> None:
    edge = lab.overlay.edge["a"]
    lab.run(lab.controller.switch_down(edge.dpid))
    lab.switches["a"] = OverlaySwitch()
    lab.run(lab.controller.switch_up(edge.dpid))
    # It has no groups yet: what is moved now has to wait until its tables were read.
    lab.answer("a>b:mpls")
    lab.run(lab.controller.tables(edge.dpid, lab.switches["a"].state, lab.now))
    assert lab.send("a", "b").tunnels == ("a>b:internet",)
