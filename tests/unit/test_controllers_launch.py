"""The controller's process on loopback, with a switch that is a socket."""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from os_ken.ofproto import ofproto_v1_3 as ofp

from controllers import launch
from controllers.learning import LearningSwitch
from tests.support.launcher import LAUNCH, Launcher, launched
from tests.support.openflow_switch import OpenFlowSwitch, packet_in
from tests.support.polling import eventually

DPID = 0x42


@pytest.fixture(scope="module")
def controller() -> Iterator[tuple[Launcher, tuple[str, int]]]:
    with launched() as running:
        yield running


def test_a_switch_that_connects_gets_flows_and_is_reported(controller: tuple[Launcher, tuple[str, int]]) -> None:
    launcher, address = controller
    with OpenFlowSwitch(address, DPID) as switch:
        launcher.expect("switch_up", dpid=DPID)
        assert switch.receive(ofp.OFPT_FLOW_MOD).body
    assert launcher.expect("switch_down")["dpid"] == DPID


def test_a_packet_in_is_answered_with_flows_for_its_source(controller: tuple[Launcher, tuple[str, int]]) -> None:
    _, address = controller
    source = bytes.fromhex("02000000000a")
    with OpenFlowSwitch(address, DPID) as switch:
        for _ in LearningSwitch().switch_up(DPID):
            switch.receive(ofp.OFPT_FLOW_MOD)
        switch.send(ofp.OFPT_PACKET_IN, 0, packet_in(3, source))
        assert source in switch.receive(ofp.OFPT_FLOW_MOD).body


def test_a_handler_that_raises_is_logged_and_its_app_goes_on() -> None:
    with (
        launched(app=("--app", "tests.support.raising_app")) as (launcher, address),
        OpenFlowSwitch(address, DPID) as switch,
    ):
        launcher.expect("switch_up")
        for port in (13, 3):
            switch.send(ofp.OFPT_PACKET_IN, 0, packet_in(port, bytes(6)))
        assert launcher.expect("seen")["port"] == 3
        assert launcher.stop() == 0
    assert launcher.log.count("KeyError: 'unlucky'") == 1
    assert "[packet_in] servicing event [EventOFPPacketIn]" in launcher.log
    assert "raising_app.py" in launcher.log


def test_an_error_is_reported_with_the_flow_that_caused_it(controller: tuple[Launcher, tuple[str, int]]) -> None:
    launcher, address = controller
    with OpenFlowSwitch(address, DPID) as switch:
        flow = switch.receive(ofp.OFPT_FLOW_MOD)
        body = struct.pack("!HH", ofp.OFPET_FLOW_MOD_FAILED, ofp.OFPFMFC_TABLE_FULL)
        switch.send(ofp.OFPT_ERROR, flow.xid, body + bytes(8) + flow.body[:56])
        error = launcher.expect("flow_error")
    assert (error["dpid"], error["type"], error["code"]) == (DPID, "OFPET_FLOW_MOD_FAILED(5)", "OFPFMFC_TABLE_FULL(1)")
    assert (error["request"]["command"], error["request"]["table"]) == ("add", 1)
    assert f"port={ofp.OFPP_FLOOD}" in str(error["request"]["instructions"])


def test_an_error_with_an_unknown_cause_is_reported_with_its_bytes(
    controller: tuple[Launcher, tuple[str, int]],
) -> None:
    launcher, address = controller
    with OpenFlowSwitch(address, DPID) as switch:
        cause = struct.pack("!BBHI", ofp.OFP_VERSION, ofp.OFPT_FLOW_MOD, 8, 0xDEAD)
        switch.send(ofp.OFPT_ERROR, 0xDEAD, struct.pack("!HH", ofp.OFPET_BAD_REQUEST, ofp.OFPBRC_BAD_LEN) + cause)
        assert launcher.expect("flow_error")["request"] == {"data": cause.hex()}


def test_the_end_of_a_connection_that_was_replaced_is_no_news(controller: tuple[Launcher, tuple[str, int]]) -> None:
    launcher, address = controller
    replaced = OpenFlowSwitch(address, DPID)
    with contextlib.ExitStack() as newer:
        with replaced:
            # One after the other: which of two that come at once is the newer is anybody's guess.
            launcher.expect("switch_up", dpid=DPID)
            newer.enter_context(OpenFlowSwitch(address, DPID))
            launcher.expect("switch_up", dpid=DPID)
        with OpenFlowSwitch(address, 0x43) as other:
            other.receive(ofp.OFPT_FLOW_MOD)
        assert launcher.expect("switch_down")["dpid"] == 0x43
    assert launcher.expect("switch_down")["dpid"] == DPID


def test_a_connection_that_ends_leaves_no_thread(controller: tuple[Launcher, tuple[str, int]]) -> None:
    launcher, address = controller

    def threads() -> int:
        return len(list(Path(f"/proc/{launcher.process.pid}/task").iterdir()))

    with OpenFlowSwitch(address, DPID) as switch:
        switch.receive(ofp.OFPT_FLOW_MOD)
        connected = threads()
    # One to receive and one to send.
    eventually(threads, lambda count: count <= connected - 2)


def test_garbage_ends_only_its_own_connection(controller: tuple[Launcher, tuple[str, int]]) -> None:
    launcher, address = controller
    with OpenFlowSwitch(address, DPID):
        launcher.expect("switch_up")
        with socket.create_connection(address) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
        with OpenFlowSwitch(address, 0x44):
            launcher.expect("switch_up", dpid=0x44)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_with_a_switch_connected(ending: signal.Signals) -> None:
    with launched() as (launcher, address), OpenFlowSwitch(address, DPID):
        launcher.expect("switch_up")
        assert launcher.stop(ending) == 0


def test_a_port_in_use_is_said_and_ends_with_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            (*LAUNCH, "--listen", listen, "--app", "learning_switch"), capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"controllers.launch: cannot listen on {listen}: Address already in use\n"


@pytest.mark.parametrize(
    ("text", "found"), [("172.31.255.1:6653", ("172.31.255.1", 6653)), ("[fd00::1]:6653", ("fd00::1", 6653))]
)
def test_endpoints(text: str, found: tuple[str, int]) -> None:
    assert launch.endpoint(text) == found


@pytest.mark.parametrize("text", ["", "6653", "127.0.0.1", "127.0.0.1:65536", "localhost:6653", "127.0.0.1:http"])
def test_a_wrong_endpoint_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"want ADDRESS:PORT such as 172\.31\.255\.1:6653"):
        launch.endpoint(text)


def test_apps_go_by_their_short_or_their_dotted_name() -> None:
    assert launch.app_module("learning_switch") == "controllers.apps.learning_switch"
    assert launch.app_module("controllers.apps.journal") == "controllers.apps.journal"
    for unknown in ("no_such_app", "no.such.app"):
        with pytest.raises(argparse.ArgumentTypeError, match=unknown):
            launch.app_module(unknown)
