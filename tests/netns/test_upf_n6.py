"""N6's device as the kernel sees it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from ipaddress import IPv4Address, IPv4Network

import pytest

from core_stub.upf.userplane.n6 import N6Device, N6Network
from testbed import netns

pytestmark = pytest.mark.netns

POOL, GATEWAY = IPv4Network("10.45.0.0/16"), IPv4Address("10.45.0.1")
NAMESPACE = f"blt-n6-{os.getpid()}"


@pytest.fixture(autouse=True)
def namespace() -> Iterator[None]:
    netns.create(NAMESPACE)
    try:
        yield
    finally:
        netns.delete(NAMESPACE)


@pytest.mark.parametrize("mtu", [1400, 4000])
def test_the_device_has_the_mtu_that_ues_are_told(mtu: int) -> None:
    with netns.entered(NAMESPACE), closing(N6Device(N6Network("n6", (POOL,)), mtu)):
        shown = subprocess.run(["ip", "link", "show", "n6"], check=True, capture_output=True, text=True).stdout
    assert f" mtu {mtu} " in shown


def test_a_device_that_is_there_is_used_and_stays() -> None:
    with netns.entered(NAMESPACE):
        for command in (
            "tuntap add name ogstun mode tun",
            f"addr add {GATEWAY}/{POOL.prefixlen} dev ogstun",
            "link set ogstun up",
        ):
            subprocess.run(["ip", *command.split()], check=True)
        for _ in range(2):
            with closing(N6Device(N6Network("ogstun", (POOL,), (GATEWAY,)), 1400)):
                shown = subprocess.run(["ip", "route"], check=True, capture_output=True, text=True).stdout
                assert f"{POOL} dev ogstun" in shown


def test_a_gateway_is_an_address_of_the_device() -> None:
    with netns.entered(NAMESPACE), closing(N6Device(N6Network("n6", (POOL,), (GATEWAY,)), 1400)):
        shown = subprocess.run(["ip", "-o", "addr", "show", "n6"], check=True, capture_output=True, text=True).stdout
        assert f"inet {GATEWAY}/32" in shown


def test_a_subnet_that_is_routed_elsewhere_is_no_device_of_ours() -> None:
    with (
        netns.entered(NAMESPACE),
        closing(N6Device(N6Network("n6", (POOL,)), 1400)),
        pytest.raises(OSError, match=r"10\.45\.0\.0/16 is routed to another device already: 'N6 device n7'"),
    ):
        N6Device(N6Network("n7", (POOL,)), 1400)
