"""A Ryu application from a file as the controller of a real Open vSwitch, between two hosts that ping."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from controllers import ovs
from testbed import netns
from testbed.lab.ledger import LABS
from tests.support.command import Output, bearerlab, events, leftovers, started
from tests.support.cpe_rig import MANAGEMENT, CpeRig, Daemons, cpe_rig
from tests.support.launcher import Launcher
from tests.support.polling import eventually
from tests.support.scenario import RYU_SWITCH

pytestmark = [pytest.mark.netns, pytest.mark.ovs]

LISTEN = f"{MANAGEMENT}:6653"
RAISING = """
from ryu.base import app_manager
from ryu.controller import ofp_event
from ryu.controller.handler import MAIN_DISPATCHER, set_ev_cls
from ryu_switch import RyuSwitch


class Raising(RyuSwitch):
    raised = 0

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, ev):
        if self.raised < 2:
            self.raised += 1
            raise LookupError("unlucky")
        super().packet_in(ev)
"""
OLD = """
from ryu.base import app_manager
from ryu.controller import ofp_event
from ryu.controller.handler import MAIN_DISPATCHER, set_ev_cls
from ryu.ofproto import ofproto_v1_0


class Hub(app_manager.RyuApp):
    OFP_VERSIONS = [ofproto_v1_0.OFP_VERSION]

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, ev):
        message = ev.msg
        datapath = message.datapath
        parser = datapath.ofproto_parser
        actions = [parser.OFPActionOutput(datapath.ofproto.OFPP_FLOOD)]
        data = message.data if message.buffer_id == datapath.ofproto.OFP_NO_BUFFER else None
        out = parser.OFPPacketOut(
            datapath=datapath, buffer_id=message.buffer_id, in_port=message.in_port, actions=actions, data=data
        )
        datapath.send_msg(out)
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[CpeRig]:
    with cpe_rig(f"blt-own-{os.getpid()}", tmp_path / "ovs", ovs.datapath_type()) as made:
        yield made


@pytest.fixture
def daemons(rig: CpeRig) -> Iterator[Daemons]:
    made = Daemons(rig.namespaces[2])
    yield made
    assert made.all_ended


def launch(rig: CpeRig, app: Path) -> Launcher:
    with netns.entered(rig.namespaces[0]):
        launcher = Launcher("--listen", LISTEN, "--file", str(app))
    launcher.expect("ready")
    return launcher


def test_hosts_reach_each_other_by_a_ryu_application(rig: CpeRig, daemons: Daemons) -> None:
    controller = launch(rig, RYU_SWITCH)
    with ovs.private_ovs(rig.switch(f"tcp:{LISTEN}"), daemons.spawn) as switch:
        assert controller.expect("switch_up")["dpid"] == switch.datapath_id
        eventually(rig.ping, bool)
        assert rig.ping(count=20)
        assert controller.stop() == 0


def test_handlers_that_raise_do_not_end_it(rig: CpeRig, daemons: Daemons, tmp_path: Path) -> None:
    app = tmp_path / "raising.py"
    app.write_text(RAISING)
    (tmp_path / "ryu_switch.py").write_text(RYU_SWITCH.read_text())
    controller = launch(rig, app)
    with ovs.private_ovs(rig.switch(f"tcp:{LISTEN}"), daemons.spawn):
        controller.expect("switch_up")
        eventually(rig.ping, bool)
        assert controller.stop() == 0
    assert controller.log.count("LookupError: unlucky") == 2


def test_an_application_for_openflow_1_0(rig: CpeRig, daemons: Daemons, tmp_path: Path) -> None:
    app = tmp_path / "old.py"
    app.write_text(OLD)
    controller = launch(rig, app)
    switch = ovs.Switch(
        rig.directory, 0x2A, ("h1", "h2"), f"tcp:{LISTEN}", rig.datapath_type, protocols=ovs.ALL_PROTOCOLS
    )
    with ovs.private_ovs(switch, daemons.spawn):
        controller.expect("switch_up")
        eventually(rig.ping, bool)
        assert controller.stop() == 0


LAB = """
name: two-sites
topology: {file: sites.edges, params: {tier: datacentre, roles: {h1: host, h2: host, cpe1: cpe}}}
controller: {app: ryu_switch.py}
services: {portal: {address: 203.0.113.10, hosts: [h2]}}
probes: {ping: {kind: stamp, from: h1, to: portal, rate: 20}}
timeline: [{measure: steady, for: 4s}]
expect: [steady.ping.loss < 5 %]
"""


UP = """
name: two-sites
topology: {file: sites.edges, params: {tier: datacentre, roles: {h1: host, h2: host, cpe1: cpe}}}
services: {portal: {address: 203.0.113.10, hosts: [h2]}}
probes: {ping: {kind: stamp, from: h1, to: portal, rate: 20}}
timeline: [{measure: steady, for: 30s}]
"""


def test_it_has_the_cpes_of_a_running_lab_until_it_ends(tmp_path: Path) -> None:
    (tmp_path / "lab.yml").write_text(UP)
    (tmp_path / "sites.edges").write_text("h1 cpe1\ncpe1 h2\n")
    run = tmp_path / "run"
    with started("run", tmp_path / "lab.yml", "--out", run):
        (lab,) = eventually(lambda: events(run, "lab"), bool)
        eventually((LABS / lab["id"] / "lab.sock").exists, bool, within=60)
        wrong = tmp_path / "wrong.py"
        wrong.write_text("x = 1\n")
        assert bearerlab("controller", wrong, "--lab", lab["id"]).returncode == 2
        assert len(events(run, "switch_up")) == 1
        with started("controller", RYU_SWITCH, "--lab", lab["id"]) as app:
            output = Output(app)
            output.find(r"RyuSwitch: switch 0000000000000001: \S+ is at port 1")
            app.send_signal(signal.SIGINT)
            assert app.wait(timeout=20) == 0
        eventually(lambda: len(events(run, "switch_up")), lambda count: count == 2, 30)
    assert not leftovers(lab["id"])


def test_a_lab_runs_it_and_shows_it(tmp_path: Path) -> None:
    (tmp_path / "lab.yml").write_text(LAB)
    (tmp_path / "sites.edges").write_text("h1 cpe1\ncpe1 h2\n")
    app = tmp_path / "ryu_switch.py"
    app.write_text(RYU_SWITCH.read_text())
    run = tmp_path / "run"
    with started("run", tmp_path / "lab.yml", "--out", run) as process:
        eventually(lambda: events(run, "switch_up"), bool, within=60)
        (lab,) = events(run, "lab")
        shown = json.loads(bearerlab("inspect", "--json").stdout)
        (mine,) = [each for each in shown if each["run_id"] == lab["id"]]
        assert mine["controller"] == [str(app)]
        output, _ = process.communicate(timeout=90)
        assert process.returncode == 0, output
    assert (run / "config" / app.name).read_text() == app.read_text()
    assert "RyuSwitch: switch 0000000000000001" in (run / "logs" / "controller-app.log").read_text()
    assert not leftovers(lab["id"])
