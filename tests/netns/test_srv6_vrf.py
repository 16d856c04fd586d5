"""The VPNs of tenants in VRFs, where the kernel has them: one End.DT46 for a tenant at a router."""

from __future__ import annotations

from pathlib import Path

import pytest

from controllers.kernel.counters import read_counters
from controllers.kernel.install import Installer, Report
from controllers.kernel.prepare import prepare
from controllers.srv6.controller import Controller
from testbed import doctor
from tests.support.srv6_rig import SQUARE, srv6_rig

pytestmark = pytest.mark.netns


def test_tenants_in_vrfs_reach_each_other(tmp_path: Path) -> None:
    (capability,) = doctor.probe(["srv6-end-dt46"])
    if not capability.present:
        pytest.skip(f"srv6-end-dt46: {capability.detail}")
    refused: list[Report] = []
    # Kernels before 6.6 have no End.X with NEXT-CSID.
    with srv6_rig(tmp_path, SQUARE, {"h1": "r1", "h2": "r3"}, vrf=True, compressed=False) as rig:
        core = Controller(rig.network)
        prepare(rig.network.routers, core.states, rig.network.link_mtu)
        Installer(rig.namespaces, refused.append).submit([core.states]).result()
        assert refused == []
        for address in ("10.2.0.2", "fd02:2::2"):
            rig.run("h1", "ping", "-q", "-c", "3", "-i", "0.2", "-w", "20", address)
        came = {each.behavior: each.packets for each in read_counters({"r3": rig.namespaces["r3"]})}
        assert came["End.DT46"] >= 6
        assert "End.DX4" not in came
