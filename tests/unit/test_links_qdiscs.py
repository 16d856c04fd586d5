"""From a link profile to qdiscs and filters, as values and as netlink messages."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pyroute2.netlink.rtnl.tcmsg import plugins

from testbed.links.netem import (
    UNLIMITED_BPS,
    Direction,
    Qdisc,
    Redirect,
    delaying,
    joining,
    normal_distribution,
    shaping,
)
from testbed.links.profile import LinkProfile

DIRECTION = Direction(source="wA", sink="wB", shaper="shaper1")


def test_frames_are_led_from_source_to_sink_through_the_shaper() -> None:
    assert set(joining(DIRECTION)) == {Redirect("wA", "ingress", "wB"), Redirect("wB", "egress", "shaper1")}


def test_shaping_and_delay_sit_on_separate_devices() -> None:
    profile = LinkProfile(delay_ms=5, rate_bps=10_000_000)
    shaper, delay = shaping(DIRECTION, profile, 1500), delaying(DIRECTION, profile)
    assert (shaper.device, shaper.kind) == ("shaper1", "tbf")
    assert (delay.device, delay.kind) == ("wB", "netem")


def test_a_rate_becomes_a_bucket_of_a_tick_and_a_queue_in_bytes() -> None:
    assert shaping(DIRECTION, LinkProfile(rate_bps=80_000_000, queue_ms=25), 1500) == Qdisc(
        "shaper1", "tbf", {"rate": 10_000_000, "burst": 41_518, "limit": 250_000, "mtu": 1518}
    )


def test_bucket_and_queue_hold_at_least_one_frame() -> None:
    parameters = shaping(DIRECTION, LinkProfile(rate_bps=64_000, queue_ms=0), 9000).parameters
    assert parameters["limit"] == 9018
    assert parameters["burst"] == 9018 + 32


@pytest.mark.parametrize("rate_bps", [None, UNLIMITED_BPS])
def test_rates_and_queues_fit_the_attributes_of_tbf(rate_bps: int | None) -> None:
    parameters = shaping(DIRECTION, LinkProfile(rate_bps=rate_bps), 9000).parameters
    assert all(value < 2**32 for value in parameters.values())


def test_delay_and_loss_are_in_the_units_of_pyroute2() -> None:
    parameters = delaying(DIRECTION, LinkProfile(delay_ms=9.9, loss=0.001)).parameters
    assert parameters["delay"] == 9900
    assert parameters["loss"] == pytest.approx(0.1)
    assert "jitter" not in parameters


def test_jitter_is_normal_and_keeps_the_order() -> None:
    parameters = delaying(DIRECTION, LinkProfile(delay_ms=10, jitter_ms=1.5)).parameters
    assert parameters["jitter"] == 1500
    assert parameters["distribution"] == normal_distribution()
    assert parameters["rate"] > 0, "without a rate netem reorders"


def test_the_distribution_is_normal() -> None:
    table = struct.unpack("=4096h", normal_distribution())
    deviations = [value / 8192 for value in table]
    assert sum(deviations) / 4096 == pytest.approx(0, abs=0.001)
    assert sum(value**2 for value in deviations) / 4096 == pytest.approx(1, abs=0.01)
    assert sum(abs(value) < 1 for value in deviations) / 4096 == pytest.approx(0.683, abs=0.001)
    assert list(table) == sorted(table)


def encoded_netem(profile: LinkProfile) -> tuple[tuple[int, ...], dict[int, bytes]]:
    """The netem options as they go to the kernel: the fixed part, and the attributes by type."""
    netem = plugins["netem"]
    options: Any = netem.options(bytearray())
    options.setvalue(netem.get_parameters(delaying(DIRECTION, profile).parameters))
    options.encode()
    data = bytes(options.data)
    attributes = {}
    offset = 28
    while offset < len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        attributes[kind] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return struct.unpack_from("=6I", data, 4), attributes


def test_the_message_to_the_kernel_has_the_table_and_the_rate() -> None:
    # struct tc_netem_qopt: latency, limit, loss, gap, duplicate, jitter; linux/pkt_sched.h.
    (latency, limit, loss, gap, duplicate, jitter), attributes = encoded_netem(
        LinkProfile(delay_ms=5, jitter_ms=1, loss=0.1)
    )
    assert (limit, loss, gap, duplicate) == (200_000, int((2**32 - 1) * 0.1), 0, 0)
    assert latency == 5 * jitter > 0
    assert attributes[2] == normal_distribution()  # TCA_NETEM_DELAY_DIST
    assert struct.unpack("=IiIi", attributes[6]) == (UNLIMITED_BPS // 8, 0, 0, 0)  # TCA_NETEM_RATE


def test_a_rate_of_netem_is_not_taken_for_an_estimator() -> None:
    # pyroute2 would put `rate` into TCA_RATE of the request and fail to encode it.
    request = {"rate": 1, "delay": 1}
    plugins["netem"].fix_request(request)
    assert request == {"delay": 1}
