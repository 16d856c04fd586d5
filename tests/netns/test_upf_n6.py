"""N6's device as the kernel sees it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from ipaddress import IPv4Network

import pytest

from core_stub.upf.userplane.n6 import N6Device
from testbed import netns

pytestmark = pytest.mark.netns

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
    with netns.entered(NAMESPACE), closing(N6Device("n6", [IPv4Network("10.45.0.0/16")], mtu)):
        shown = subprocess.run(["ip", "link", "show", "n6"], check=True, capture_output=True, text=True).stdout
    assert f" mtu {mtu} " in shown
