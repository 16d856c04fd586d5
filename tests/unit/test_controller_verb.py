"""`bearerlab controller`, and the controller's process with a user's own file; the switch is a socket."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
from pathlib import Path

import pytest
from os_ken.ofproto import ofproto_v1_3 as ofp

from tests.support.command import Output, bearerlab, started
from tests.support.launcher import LAUNCH, launched
from tests.support.openflow_switch import OpenFlowSwitch, packet_in
from tests.support.scenario import RYU_SWITCH

DPID = 0x42
RAISING = """
from ryu.controller import ofp_event
from ryu.controller.handler import MAIN_DISPATCHER, set_ev_cls
from ryu_switch import RyuSwitch


class Raising(RyuSwitch):
    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, ev):
        if ev.msg.match["in_port"] == 13:
            raise LookupError("unlucky")
        super().packet_in(ev)
"""


def raising(folder: Path) -> Path:
    """An app that raises at packets from port 13."""
    (folder / "ryu_switch.py").write_text(RYU_SWITCH.read_text())
    path = folder / "raising.py"
    path.write_text(RAISING)
    return path


def test_a_ryu_application_gets_events_and_sends_flows() -> None:
    a, b = bytes.fromhex("02000000000a"), bytes.fromhex("02000000000b")
    with launched(app=("--file", RYU_SWITCH)) as (launcher, address), OpenFlowSwitch(address, DPID) as switch:
        launcher.expect("switch_up", dpid=DPID)
        assert switch.receive(ofp.OFPT_FLOW_MOD).body
        for port, source, target in ((1, a, b), (2, b, a)):
            switch.send(ofp.OFPT_PACKET_IN, 0, packet_in(port, source, target))
        flow = switch.receive(ofp.OFPT_FLOW_MOD).body
        assert a in flow
        assert b in flow
        # It is sent after the line is logged.
        assert switch.receive(ofp.OFPT_PACKET_OUT).body
        assert launcher.stop() == 0
    assert "INFO RyuSwitch: switch 0000000000000042: 02:00:00:00:00:0a is at port 1" in launcher.log


def test_a_handler_that_raises_is_logged_and_the_application_goes_on(tmp_path: Path) -> None:
    with launched(app=("--file", raising(tmp_path))) as (launcher, address), OpenFlowSwitch(address, DPID) as switch:
        launcher.expect("switch_up", dpid=DPID)
        for port in (13, 1):
            switch.send(ofp.OFPT_PACKET_IN, 0, packet_in(port, bytes(6)))
        assert struct.unpack_from("!II", switch.receive(ofp.OFPT_PACKET_OUT).body)[1] == 1
        assert launcher.stop() == 0
    assert launcher.log.count("LookupError: unlucky") == 1
    assert "raising.py" in launcher.log


def test_a_file_that_is_wrong_ends_the_process_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from ryu.app.wsgi import ControllerBase\n")
    done = subprocess.run(
        (*LAUNCH, "--listen", "127.0.0.1:0", "--file", path), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"controllers.launch: {path}: line 1: got No module named 'ryu.app.wsgi'")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_verb_serves_and_ends_cleanly(ending: signal.Signals) -> None:
    with started("controller", RYU_SWITCH, "--port", "0", "--address", "127.0.0.1", "--", "--observe-links") as process:
        output = Output(process)
        where = output.find(r"serves switches at (\S+):(\d+); Ctrl-C ends it")
        with OpenFlowSwitch((where[1], int(where[2])), DPID) as switch:
            assert switch.receive(ofp.OFPT_FLOW_MOD)
            output.find("switch 0000000000000042 is connected")
            process.send_signal(ending)
            assert process.wait(timeout=20) == 0


def test_an_application_that_hangs_while_it_is_loaded_can_be_ended(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("print('hanging', flush=True)\nimport threading\nthreading.Event().wait()\n")
    with started("controller", path, "--port", "0") as process:
        Output(process).find("hanging")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


def test_the_verb_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("x = 1\n")
    done = bearerlab("controller", path, "--port", "0")
    assert done.returncode == 2
    assert done.stderr.startswith(f"{path}: file: got no app; want a class of app_manager.RyuApp")
    done = bearerlab("controller", RYU_SWITCH, "--address", "localhost")
    assert (done.returncode, done.stderr.split(";")[0]) == (2, '--address: value: got "localhost"')
    done = bearerlab("controller", RYU_SWITCH, "--port", "0", "--", "--no-such")
    assert done.returncode == 2
    assert done.stderr.endswith("no app has the options --no-such\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = bearerlab("controller", RYU_SWITCH, "--address", "127.0.0.1", "--port", port)
    assert (done.returncode, done.stderr) == (3, f"cannot listen on 127.0.0.1:{port}: Address already in use\n")
