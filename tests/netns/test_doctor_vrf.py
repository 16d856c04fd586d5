"""What the doctor finds where the kernel has VRF, which is not everywhere."""

from __future__ import annotations

import pytest

from testbed import doctor

pytestmark = pytest.mark.netns


def test_a_kernel_with_vrf_decapsulates_ipv4_into_it() -> None:
    vrf, end_dt4 = doctor.probe(["vrf", "srv6-end-dt4"])
    if not vrf.present:
        pytest.skip(f"vrf: {vrf.detail}")
    assert (end_dt4.present, end_dt4.detail) == (True, "works")
