"""Liveness of tunnels and verdicts on SLAs, damped."""

from __future__ import annotations

import random
from statistics import mean

from controllers.joint.quality import Sla
from controllers.sdwan.network import Probing, SlaClass
from controllers.sdwan.telemetry import (
    MOST_HOLD_S,
    Bound,
    ClassWindow,
    Finding,
    SlaBroken,
    SlaMet,
    Telemetry,
    TunnelDown,
    TunnelUp,
    Verdict,
)

VOICE = SlaClass("voice", 46, ("mpls",), Sla(delay_ms=50, jitter_ms=10, loss=0.01))
RULES = Probing()
WINDOW_S = RULES.window_ms / 1000
HOLD_S = RULES.good * WINDOW_S


def telemetry() -> Telemetry:
    return Telemetry(RULES, (VOICE,))


def window(delay: float = 20, jitter: float = 1, lost: int = 0, sent: int = 5) -> ClassWindow:
    return ClassWindow("t", 46, sent, sent - lost, lost, delay, jitter)


def findings(on: Telemetry, *windows: ClassWindow) -> list[tuple[int, Finding]]:
    return [(number, finding) for number, each in enumerate(windows) for finding in on.window(each, number * WINDOW_S)]


def down_for(on: Telemetry, now: float) -> float:
    """How long the tunnel is kept out that is silent and answers again at once."""
    assert on.liveness("t", up=False, now=now) == (TunnelDown("t"),)
    assert on.liveness("t", up=True, now=now) == ()
    after = now
    while on.window(window(), after) != (TunnelUp("t"),):
        assert not on.up("t")
        after += WINDOW_S
    assert on.up("t")
    return after - now


def test_a_delay_breaks_an_sla_after_bad_windows_in_a_row() -> None:
    broken = SlaBroken("t", "voice", Bound.DELAY_MS, 51, 50)
    assert findings(telemetry(), window(51), window(49), window(51), window(51)) == [(3, broken)]


def test_it_is_met_again_after_good_windows_with_a_margin() -> None:
    on = telemetry()
    findings(on, window(jitter=11), window(jitter=11))
    assert on.verdict("t", "voice") is Verdict.BREAKS
    assert findings(on, *[window(jitter=9.5)] * 20) == []
    assert findings(on, *[window(jitter=9)] * RULES.good) == [(RULES.good - 1, SlaMet("t", "voice"))]
    assert on.verdict("t", "voice") is Verdict.MEETS


def test_a_blackout_counts_at_once_and_is_held_down() -> None:
    assert down_for(telemetry(), 100) == HOLD_S


def test_a_tunnel_that_flaps_is_kept_out_longer_up_to_a_maximum() -> None:
    on, now, kept = telemetry(), 100.0, []
    for _ in range(7):
        kept.append(down_for(on, now))
        now += kept[-1] + 1
    assert kept == [min(HOLD_S * 2**flaps, MOST_HOLD_S) for flaps in range(7)]
    assert down_for(on, now + MOST_HOLD_S) == HOLD_S


def test_a_tunnel_that_is_forgiven_is_kept_out_no_longer_than_one_that_was_never_down() -> None:
    on = telemetry()
    first = down_for(on, 0.0)
    assert down_for(on, 10.0) == 2 * first
    on.forgive()
    assert down_for(on, 30.0) == first


def test_silence_while_it_is_held_begins_the_hold_anew() -> None:
    on = telemetry()
    on.liveness("t", up=False, now=0)
    on.liveness("t", up=True, now=0)
    on.window(window(lost=5), 2)
    assert on.window(window(), HOLD_S) == ()
    assert on.window(window(), 2 + HOLD_S) == (TunnelUp("t"),)


def lossy(seed: int, share: float, windows: int) -> list[tuple[int, Finding]]:
    """Random loss; after a probe that was lost, the next hundred come five times as often."""
    draw, found, doubts = random.Random(seed), list[ClassWindow](), 0
    for _ in range(windows):
        sent = 25 if doubts > 0 else 5
        lost = sum(draw.random() < share for _ in range(sent))
        doubts = 100 if lost else doubts - sent
        found.append(window(lost=lost, sent=sent))
    return findings(telemetry(), *found)


def test_random_loss_far_below_the_bound_does_not_flap_in_an_hour() -> None:
    assert [lossy(seed, 0.001, round(3600 / WINDOW_S)) for seed in range(10)] == [[]] * 10


def test_a_brownout_of_five_per_cent_is_found_in_time() -> None:
    took = [(lossy(seed, 0.05, 120)[0][0] + 1) * WINDOW_S for seed in range(200)]
    print(f"\nfound after {mean(took):.1f} s in the mean, {max(took):.1f} s at most")
    assert mean(took) < 5
    assert sorted(took)[189] <= 10


def test_quality_is_damped() -> None:
    on = telemetry()
    findings(on, window(20), window(40, lost=1))
    found = on.quality("t", "voice")
    assert (found.up, found.delay_ms, found.jitter_ms, found.loss) == (True, 30, 1, 0.01)
