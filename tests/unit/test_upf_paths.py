"""Paths that answer, fail and recover, on a clock of the test's own."""

from __future__ import annotations

from ipaddress import IPv4Address

from core_stub.pfcp.ies import Interface, NodeId, NodeReportType, RemoteGtpuPeer
from core_stub.pfcp.messages import NodeReportRequest, SessionDeletionRequest
from core_stub.upf.paths import N3, NodeReport, Paths, Round
from core_stub.upf.rules import EchoAnswered
from tests.support.upf import N4, SMF, Upf, downlink, establishment, to_tunnel

GNB, OTHER = IPv4Address("198.51.100.1"), IPv4Address("198.51.100.2")


def watched(*peers: IPv4Address) -> Paths:
    paths = Paths(interval_s=60.0, t3_s=3.0)
    for peer in peers:
        paths.watch(peer, 0.0)
    return paths


def test_a_path_is_asked_once_in_an_interval() -> None:
    paths = watched(GNB)
    assert paths.due() == 60.0
    assert paths.expire({GNB}, 59.0) == Round()
    assert paths.expire({GNB}, 60.0) == Round(ask=(GNB,))
    assert not paths.answered(GNB, 60.5)
    paths.watch(GNB, 70.0)
    assert paths.due() == 120.5


def test_a_path_that_does_not_answer_fails_once_and_recovers() -> None:
    paths = watched(GNB)
    now = 60.0
    for _ in range(N3):
        assert paths.expire({GNB}, now) == Round(ask=(GNB,))
        now += 3.0
        assert paths.due() == now
    assert paths.expire({GNB}, now) == Round(failed=(GNB,))
    now += 60.0
    for _ in range(N3):
        assert paths.expire({GNB}, now).ask == (GNB,)
        now += 3.0
    assert paths.expire({GNB}, now) == Round(), "it has been told"
    assert paths.answered(GNB, now)
    assert not paths.answered(GNB, now)


def test_a_path_that_nobody_uses_is_forgotten() -> None:
    paths = watched(GNB, OTHER)
    assert paths.expire({OTHER}, 60.0) == Round(ask=(OTHER,))
    assert not paths.answered(GNB, 61.0)
    assert paths.due() == 63.0


def test_cp_functions_are_told_of_the_paths_of_their_sessions() -> None:
    upf = Upf(Paths(interval_s=60.0, t3_s=3.0))
    seid = upf.established(establishment(downlink(1, 1), to_tunnel(1, Interface.ACCESS, 5, str(GNB))))
    upf.wait_until(1100.0)
    assert upf.user_plane.echoes == [GNB] * N3
    remote, node_id = (RemoteGtpuPeer(GNB),), NodeId(N4)
    failed = NodeReportRequest(node_id, NodeReportType.UPFR, path_failures=remote)
    assert upf.control.node_reports_to_send() == [NodeReport(SMF, failed)]
    upf.control.on_user_plane(EchoAnswered(GNB), upf.now)
    back = NodeReportRequest(node_id, NodeReportType.UPRR, path_recoveries=remote)
    assert upf.control.node_reports_to_send() == [NodeReport(SMF, back)]
    upf.delete(SessionDeletionRequest(seid))
    upf.wait_until(1300.0)
    assert upf.control.get_timer() is None
    assert upf.control.node_reports_to_send() == []
