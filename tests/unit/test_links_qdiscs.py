"""From a link profile to qdiscs and filters, as values and as netlink messages."""

from __future__ import annotations

import re
import struct
from typing import Any

import pytest
from pyroute2.netlink.rtnl.tcmsg import plugins

from testbed.links.netem import (
    UNLIMITED_BPS,
    Direction,
    delaying,
    impairing,
    joining,
    qdiscs,
    queueing,
    refusal,
    shaping,
)
from testbed.links.profile import Distribution, GilbertElliott, LinkProfile, Queue, QueueDiscipline
from testbed.links.traffic_control import BELOW_ROOT, Qdisc, Redirect

DIRECTION = Direction(source="wA", sink="wB", number=1)
CERTAIN = 2**32 - 1


def test_frames_are_led_from_source_to_sink_through_every_stage() -> None:
    assert set(joining(DIRECTION)) == {
        Redirect("wA", "ingress", "entry1"),
        Redirect("exit1", "ingress", "wB"),
        Redirect("wB", "egress", "shaper1"),
    }


def test_every_stage_sits_on_a_device_of_its_own() -> None:
    stages = qdiscs(DIRECTION, LinkProfile(delay_ms=5, rate_bps=10_000_000), 1500)
    assert [(qdisc.device, qdisc.kind) for qdisc in stages] == [
        ("entry1", "netem"),
        ("shaper1", "tbf"),
        ("shaper1", "bfifo"),
        ("wB", "netem"),
    ]


def test_a_rate_becomes_a_bucket_of_a_frame_and_a_tick() -> None:
    assert shaping(DIRECTION, LinkProfile(rate_bps=80_000_000), 1500) == Qdisc(
        "shaper1", "tbf", {"rate": 10_000_000, "burst": 41_518, "limit": 1518, "mtu": 1518}
    )


def test_the_bucket_holds_at_least_one_frame() -> None:
    assert shaping(DIRECTION, LinkProfile(rate_bps=64_000), 9000).parameters["burst"] == 9018 + 32


@pytest.mark.parametrize("rate_bps", [None, UNLIMITED_BPS])
def test_rates_and_queues_fit_the_attributes(rate_bps: int | None) -> None:
    profile = LinkProfile(rate_bps=rate_bps)
    for qdisc in (shaping(DIRECTION, profile, 9000), queueing(DIRECTION, profile, 9000)):
        assert all(value < 2**32 for value in qdisc.parameters.values())


@pytest.mark.parametrize(
    ("queue", "kind", "parameters"),
    [
        (Queue(ms=25), "bfifo", {"limit": 250_000}),
        (Queue(ms=0), "bfifo", {"limit": 1518}),
        (Queue(bytes=30_000), "bfifo", {"limit": 30_000}),
        (Queue(packets=100), "pfifo", {"limit": 100}),
        (Queue(ms=25, discipline=QueueDiscipline.CODEL), "codel", {"limit": 164, "ecn": 0}),
        (Queue(packets=7, discipline=QueueDiscipline.CODEL_ECN), "codel", {"limit": 7, "ecn": 1}),
    ],
)
def test_a_queue_keeps_its_unit(queue: Queue, kind: str, parameters: dict[str, int]) -> None:
    profile = LinkProfile(rate_bps=80_000_000, queue=queue)
    assert queueing(DIRECTION, profile, 1500) == Qdisc("shaper1", kind, parameters, BELOW_ROOT)


def test_a_link_without_a_rate_has_no_queue_to_speak_of() -> None:
    unlimited = queueing(DIRECTION, LinkProfile(queue=Queue(packets=1)), 1500)
    assert (unlimited.kind, unlimited.parameters["limit"]) == ("bfifo", 200_000_000)


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        (LinkProfile(loss_trace=(True, False)), "cannot follow a loss trace.*wire"),
        (LinkProfile(rate_bps=10**11), "got 100000000000 bit/s; want at most"),
        (LinkProfile(delay_ms=9000, jitter_ms=3000), "got 3000 ms of jitter; want at most 2147"),
    ],
)
def test_what_netem_cannot_do_is_refused_with_a_reason(profile: LinkProfile, reason: str) -> None:
    assert re.search(reason, refusal(profile))


def test_what_netem_can_do_is_not_refused() -> None:
    assert refusal(LinkProfile(rate_bps=UNLIMITED_BPS, jitter_ms=2147, loss=1)) == ""


def test_jitter_without_a_spread_is_not_asked_for() -> None:
    assert "jitter_ns" not in delaying(DIRECTION, LinkProfile(delay_ms=9.9)).parameters


def test_a_table_needs_no_jitter_of_its_own() -> None:
    profile = LinkProfile(delay_ms=9, distribution=Distribution.TABLE, jitter_table=(-1.0, 2.0))
    assert delaying(DIRECTION, profile).parameters["jitter_ns"] > 0


def encoded(qdisc: Qdisc) -> bytes:
    """A qdisc's options as they go to the kernel."""
    plugin = plugins[qdisc.kind]
    options: Any = plugin.options(bytearray())
    options.setvalue(plugin.get_parameters(qdisc.parameters))
    options.encode()
    return bytes(options.data)


def encoded_netem(qdisc: Qdisc) -> tuple[tuple[int, ...], dict[int, bytes]]:
    """The fixed part, which is struct tc_netem_qopt of linux/pkt_sched.h, and the attributes by type."""
    data = encoded(qdisc)
    attributes = {}
    offset = 28
    while offset < len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        attributes[kind] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return struct.unpack_from("=6I", data, 4), attributes


def test_the_message_about_delay_has_nanoseconds_the_table_and_a_rate_that_keeps_the_order() -> None:
    qdisc = delaying(DIRECTION, LinkProfile(delay_ms=5.0001, jitter_ms=1))
    (latency, limit, loss, gap, duplicate, jitter), attributes = encoded_netem(qdisc)
    assert (latency, limit, loss, gap, duplicate, jitter) == (0, 200_000, 0, 0, 0, 0)
    assert struct.unpack("=Q", attributes[10]) == (5_000_100,)  # TCA_NETEM_LATENCY64
    assert struct.unpack("=Q", attributes[11]) == (qdisc.parameters["jitter_ns"],)  # TCA_NETEM_JITTER64
    assert attributes[2] == qdisc.parameters["distribution"]  # TCA_NETEM_DELAY_DIST
    assert struct.unpack("=IiIi", attributes[6]) == (UNLIMITED_BPS // 8, 0, 0, 0)  # TCA_NETEM_RATE


def test_reordering_takes_the_rate_away() -> None:
    _, attributes = encoded_netem(delaying(DIRECTION, LinkProfile(delay_ms=5, jitter_ms=1, reorder=True)))
    assert struct.unpack("=IiIi", attributes[6]) == (0, 0, 0, 0), "an attribute left out would keep its old value"


def test_the_message_about_loss_has_every_chance() -> None:
    fixed, attributes = encoded_netem(impairing(DIRECTION, LinkProfile(loss=0.1, duplicate=0.5, corrupt=1)))
    assert (fixed[2], fixed[4]) == (round(CERTAIN * 0.1), round(CERTAIN * 0.5))
    assert struct.unpack("=II", attributes[4]) == (CERTAIN, 0)  # TCA_NETEM_CORRUPT
    assert 5 not in attributes


def test_a_chance_of_nothing_is_said_too() -> None:
    _, attributes = encoded_netem(impairing(DIRECTION, LinkProfile()))
    assert struct.unpack("=II", attributes[4]) == (0, 0), "an attribute left out would keep its old value"


def test_bursts_of_loss_are_the_model_of_the_kernel() -> None:
    profile = LinkProfile(loss_bursts=GilbertElliott(p=0.01, r=0.2, loss_bad=0.75, loss_good=0.001))
    _, attributes = encoded_netem(impairing(DIRECTION, profile))
    length, kind, p, r, h, k1 = struct.unpack("=HH4I", attributes[5])  # TCA_NETEM_LOSS
    assert (length, kind) == (20, 2)  # NETEM_LOSS_GE
    assert [round(chance / CERTAIN, 6) for chance in (p, r, h, k1)] == [0.01, 0.2, 0.25, 0.001]


def test_codel_is_told_its_limit_and_whether_to_mark() -> None:
    queue = Queue(packets=50, discipline=QueueDiscipline.CODEL_ECN)
    data = encoded(queueing(DIRECTION, LinkProfile(rate_bps=10**6, queue=queue), 1500))
    assert struct.unpack("=HHIHHI", data[4:]) == (8, 2, 50, 8, 4, 1)  # TCA_CODEL_LIMIT, TCA_CODEL_ECN


def test_a_rate_of_netem_is_not_taken_for_an_estimator() -> None:
    # pyroute2 would put `rate` into TCA_RATE of the request and fail to encode it.
    request = {"rate": 1, "limit": 1}
    plugins["netem"].fix_request(request)
    assert request == {"limit": 1}
