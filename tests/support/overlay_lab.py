"""Three sites on two transports as a running lab: Open vSwitch, the shipped app, emulated links, two tenants.

    red-a ─┐                              ┌─ red-b       both portals: 203.0.113.10, 2001:db8::10
           cpe-a ─── private, internet ─── cpe-b
    blue-a ┘             │
                       cpe-c ─── red-c, blue-c

UDP is of the class control (private before internet, at most 20 ms and 5 % of loss), TCP of bulk (internet only).
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from rich.console import Console

from controllers import ovs
from testbed import netns
from testbed.plan.model import Behaviour, Direction
from testbed.plan.processes import CONTROLLER
from testbed.record import RunRecord
from testbed.run import load_plan
from testbed.run.bringup import require, testbed
from testbed.run.inbox import READY_WITHIN_S
from testbed.run.progress import Progress
from testbed.run.running import Testbed
from tests.support.command import events, leftovers
from tests.support.link_rig import Arrival, Traffic
from tests.support.polling import PATIENCE_S, eventually
from traffic.capture import HELD_BY_KERNEL_S, dumpcap_argv, ready

PORTAL, PORTAL6 = "203.0.113.10", "2001:db8::10"
VNI = {"red": 100, "blue": 200}
EF, AF11 = 46, 10
HOSTS = {"cpe-a": ("red-a", "blue-a"), "cpe-b": ("red-b",), "cpe-c": ("red-c", "blue-c")}
TRANSPORTS = ("private", "internet")
INTERVAL_MS, TIMEOUT_MS, LOST = 50, 100, 3
DETECTED_S = (LOST * INTERVAL_MS + TIMEOUT_MS) / 1000
"""How long it takes to see that a tunnel is dark."""

_TENANTS = "udp port 4789 and udp[12:4] & 0xffffff00 != 0xffffff00"
"""VXLAN but for the network of probes (RFC 7348 §5: flags and VNI follow the header of UDP)."""

_DELAY = "1ms"
_TOPOLOGY = {
    "name": "three-sites",
    "nodes": [{"name": transport, "role": "router"} for transport in TRANSPORTS]
    + [{"name": edge, "role": "cpe", "site": edge} for edge in HOSTS]
    + [{"name": host, "role": "host", "site": edge} for edge, hosts in HOSTS.items() for host in hosts],
    "links": [{"a": transport, "b": edge, "tier": "access"} for transport in TRANSPORTS for edge in HOSTS]
    + [{"a": edge, "b": host, "tier": "datacentre"} for edge, hosts in HOSTS.items() for host in hosts],
}
_WANS = {transport: [f"{transport}-{edge}" for edge in HOSTS] for transport in TRANSPORTS}
_SCENARIO: dict[str, Any] = {
    "name": "three-sites",
    "topology": {"file": "topology.yml"},
    "links": {
        "override": [{"link": link, "delay": _DELAY} for links in _WANS.values() for link in links],
    },
    "sdwan": {
        "transports": {name: {"links": links} for name, links in _WANS.items()},
        "tenants": {
            tenant: {
                "vni": vni,
                "attach": [f"{edge}-{host}" for edge, hosts in HOSTS.items() for host in hosts if tenant in host],
            }
            for tenant, vni in VNI.items()
        },
        "classes": {
            "control": {"dscp": EF, "sla": {"delay": "20ms", "loss": "5%"}, "transports": ["private", "internet"]},
            "bulk": {"dscp": AF11, "transports": ["internet"]},
        },
        "applications": {
            "plc": {"class": "control", "protocol": "udp"},
            "web": {"class": "bulk", "protocol": "tcp"},
        },
        "probing": {
            "interval": f"{INTERVAL_MS}ms",
            "timeout": f"{TIMEOUT_MS}ms",
            "lost": LOST,
            "window": "250ms",
            "good": 4,
        },
    },
    "services": {
        "red-portal": {"address": PORTAL, "hosts": ["red-b"]},
        "blue-portal": {"address": PORTAL, "hosts": ["blue-c"]},
        "red-portal6": {"address": PORTAL6, "hosts": ["red-b"]},
        "blue-portal6": {"address": PORTAL6, "hosts": ["blue-c"]},
    },
    "timeline": [{"measure": "all", "for": "1s"}],
}


@dataclass(frozen=True)
class OverlayLab:
    """What runs."""

    running: Testbed
    directory: Path

    def namespace(self, node: str) -> str:
        """Of a node."""
        return self.running.lab.namespaces[node]

    def run(self, node: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """A command in a node, to its end."""
        with netns.entered(self.namespace(node)):
            return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE_S)

    def address(self, host: str, version: int = 4) -> str:
        """The address of a host on its LAN."""
        return self.running.plan.node(host).address(version)

    def mtu(self, host: str) -> int:
        """What a host may send."""
        return self.running.plan.node(host).interfaces[0].mtu

    def wan_address(self, edge: str, transport: str) -> str:
        """Of an edge on a transport."""
        given = next(each for each in json.loads(self.overlay_text())["edges"] if each["name"] == edge)
        return next(str(each["address"]) for each in given["attachments"] if each["transport"] == transport)

    def view(self) -> dict[str, Any]:
        """The overlay as the controller has it."""
        found: dict[str, Any] = self.running.ask(CONTROLLER, "GET", "/v1/overlay")
        return found

    def placements(self) -> dict[str, str]:
        """Demand → the transports that carry it."""
        return {
            each["name"]: " ".join(tunnel.partition(":")[2] for tunnel in each["tunnels"])
            for each in self.view()["demands"]
        }

    def moves(self, demand: str) -> list[tuple[str, str]]:
        """From where to where a demand was moved so far."""
        found = events(self.directory, "demand_moved")
        return [(" ".join(each["from"]), " ".join(each["to"])) for each in found if each["demand"] == demand]

    def await_transport(self, demand: str, transport: str, within: float = 60) -> None:
        """Return once the demand is carried by the transport."""
        eventually(lambda: self.placements()[demand], lambda found: found == transport, within)

    def change(self, link: str, **profile: float) -> None:
        """Give both directions of a link another profile."""
        planned = self.running.links.planned(link).behaviour
        worse = Direction(replace(planned.a_to_b.profile, **profile))  # type: ignore[arg-type]
        self.running.links.set(link, Behaviour(worse, worse), by="test")

    def cut(self, link: str) -> None:
        """Let nothing pass."""
        self.running.links.set_up(link, up=False, by="test")

    def reset(self, link: str) -> None:
        """Let a link be as it was at first."""
        self.running.links.reset(link, by="test")

    def traffic(self, source: str, sink: str, address: str = PORTAL) -> Traffic:
        """UDP from a host to an address that another has."""
        return Traffic(self.namespace(source), self.namespace(sink), address)

    def kill_controller(self) -> None:
        """As a crash would."""
        self.running.lab.supervisor.kill(CONTROLLER)

    def start_controller(self, **changes: str) -> None:
        """The one of the plan, or one whose overlay is written otherwise; it serves when this returns."""
        planned = next(each for each in self.running.plan.processes if each.name == CONTROLLER)
        files = tuple((name, changes.get(name, text)) for name, text in planned.files)
        self.running.lab.supervisor.start_planned(replace(planned, files=files))
        self.running.lab.supervisor.wait_ready(CONTROLLER, READY_WITHIN_S)

    def overlay_text(self) -> str:
        """What the controller is given (JSON)."""
        planned = next(each for each in self.running.plan.processes if each.name == CONTROLLER)
        return dict(planned.files)["overlay"]

    def ofctl(self, edge: str, command: str, *arguments: str) -> str:
        """What `ovs-ofctl` says at the switch of an edge."""
        target = f"unix:{self.running.lab.ledger.directory / edge}/{ovs.BRIDGE}.mgmt"
        options = [argument for argument in arguments if argument.startswith("--")]
        rest = [argument for argument in arguments if argument not in options]
        argv = ("ovs-ofctl", "-O", "OpenFlow13", *options, command, target, *rest)
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def flows(self, edge: str) -> dict[str, float]:
        """The flows of an edge, and how many seconds they are there."""
        found = {}
        for line in self.ofctl(edge, "dump-flows").splitlines():
            if duration := re.search(r"duration=([\d.]+)s, ", line):
                text = re.sub(r"(duration|n_packets|n_bytes)=[^,]+, ", "", line).strip()
                found[text] = float(duration[1])
        return found

    @contextmanager
    def captured(self, edge: str) -> Iterator[dict[str, Path]]:
        """Transport → capture of what tenants send between it and the edge meanwhile; complete after the body."""
        files = {transport: self.directory / "captures" / f"{edge}-{transport}.pcapng" for transport in TRANSPORTS}
        dumps: list[subprocess.Popen[bytes]] = []
        try:
            for transport, file in files.items():
                file.unlink(missing_ok=True)
                with netns.entered(self.namespace(edge)):
                    dumps.append(
                        subprocess.Popen(
                            dumpcap_argv(transport, file, capture_filter=_TENANTS), stderr=subprocess.DEVNULL
                        )
                    )
            for file in files.values():
                eventually(lambda file=file: ready(file))  # type: ignore[misc]
            yield files
            threading.Event().wait(HELD_BY_KERNEL_S)
        finally:
            for dump in dumps:
                dump.terminate()
                dump.wait(PATIENCE_S)


@contextmanager
def overlay_lab(directory: Path, datapath: str, **sdwan: object) -> Iterator[OverlayLab]:
    """The lab on a datapath of Open vSwitch, with all tunnels up; `sdwan` is what is different in that section.

    Nothing of it is left behind.
    """
    scenario = _SCENARIO | {"sdwan": {**_SCENARIO["sdwan"], **sdwan}}
    (directory / "topology.yml").write_text(yaml.safe_dump(_TOPOLOGY))
    (directory / "overlay.yml").write_text(yaml.safe_dump(scenario))
    plan = require(load_plan(directory / "overlay.yml")[1])
    record = RunRecord.create(directory / "run")
    chosen = mock.patch.object(ovs, "datapath_type", lambda: datapath)
    with chosen, testbed(plan, record, Progress(Console(quiet=True))) as running:
        yield OverlayLab(running, record.directory)
    assert leftovers(running.lab.run_id) == []


class Stream:
    """UDP at a steady rate in a thread of its own, until the body ends; then `arrivals` and `sent` tell what became."""

    def __init__(self, traffic: Traffic, per_second: float) -> None:
        self._traffic, self._per_second = traffic, per_second
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.arrivals: list[Arrival] = []

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        with self._traffic:
            self.arrivals = self._traffic.arrivals(self.sent)

    @property
    def sent(self) -> int:
        """Packets so far."""
        return self._traffic.sent

    @property
    def lost(self) -> int:
        """Packets that never came."""
        return self.sent - len({arrival.sequence for arrival in self.arrivals})

    @property
    def repeated(self) -> int:
        """Packets that came more than once."""
        return len(self.arrivals) - len({arrival.sequence for arrival in self.arrivals})

    @property
    def out_of_order(self) -> int:
        """Packets that came after one that was sent later."""
        latest, late = -1, 0
        for arrival in self.arrivals:
            late += arrival.sequence < latest
            latest = max(latest, arrival.sequence)
        return late

    def await_sent(self, more: int) -> None:
        """Return once so many more were sent."""
        wanted = self.sent + more
        eventually(lambda: self.sent, lambda sent: sent >= wanted, within=60)

    def _send(self) -> None:
        start = time.monotonic()
        while not self._over.wait(max(0.0, start + self.sent / self._per_second - time.monotonic())):
            self._traffic.send()
