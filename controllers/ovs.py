"""A private Open vSwitch for one CPE: ovsdb-server and ovs-vswitchd in its namespace, with a directory of their own.

Nothing is shared with the host's Open vSwitch or with another CPE's: not the database, not the control sockets, and not
the datapath. The kernel's datapaths belong to a network namespace, so `ovs-system` exists once in each namespace and
does not collide; the userspace datapath (`netdev`) lives in the daemon, and its bridge is a TAP in the namespace.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from testbed import doctor
from testbed.errors import RunInvalidError
from testbed.plan.model import PlannedEdge, PlannedTunnel

BRIDGE = "br0"

ALL_PROTOCOLS = ("OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15")
"""What Open vSwitch speaks by itself, as under Mininet."""

_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
_LOG_TO_STDERR = ("-vsyslog:off", "-vconsole:info")
_DEADLINE_S = 10
_POLL_S = 0.01


class OvsError(RunInvalidError):
    """Open vSwitch did not do what was asked; the message names the switch's directory, the command and its answer."""


class Daemon(Protocol):
    """A running process as `private_ovs` needs it; `subprocess.Popen` is one."""

    def poll(self) -> int | None:
        """The exit code, None while it runs."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; subprocess.TimeoutExpired if it does not come."""


Spawn = Callable[[str, Sequence[str], Mapping[str, str]], Daemon]
"""`spawn(name, argv, env)` starts a daemon in the CPE's network namespace; `env` goes on top of the environment."""


@dataclass(frozen=True)
class Switch:
    """A CPE's switch: bridge `br0` over `interfaces`, which are OpenFlow ports 1, 2, … in this order.

    `directory` is the switch's own and must not exist yet. `controller` is `tcp:172.31.255.1:6653`; without one the
    bridge learns by itself. `datapath_type` is `system` (the kernel's) or `netdev` (in ovs-vswitchd).
    """

    directory: Path
    datapath_id: int
    interfaces: tuple[str, ...]
    controller: str | None = None
    datapath_type: str = "netdev"
    edge: PlannedEdge | None = None
    """What it has beside `interfaces` as an edge of an overlay."""
    protocols: tuple[str, ...] = ("OpenFlow13",)
    """The versions that it speaks."""

    @property
    def database(self) -> str:
        """Where ovsdb-server listens, as OVS commands want it."""
        return f"unix:{self.directory}/db.sock"

    @property
    def openflow(self) -> str:
        """Where the bridge answers `ovs-ofctl -O OpenFlow13`."""
        return f"unix:{self.directory}/{BRIDGE}.mgmt"


@cache
def datapath_type() -> str:
    """`system` where the kernel has Open vSwitch's datapath (found by making one), `netdev` elsewhere."""
    return "system" if doctor.present("ovs-kernel") else "netdev"


def environment(switch: Switch) -> dict[str, str]:
    """What keeps the daemons out of the host's directories."""
    directory = str(switch.directory)
    return {"OVS_RUNDIR": directory, "OVS_DBDIR": directory, "OVS_LOGDIR": directory, "OVS_SYSCONFDIR": directory}


def create_database_argv(switch: Switch) -> tuple[str, ...]:
    """The command that makes the empty database."""
    return ("ovsdb-tool", "create", f"{switch.directory}/conf.db", str(_SCHEMA))


def ovsdb_argv(switch: Switch) -> tuple[str, ...]:
    """The database daemon, in the foreground, logging to standard error."""
    remote, control = f"--remote=p{switch.database}", f"--unixctl={switch.directory}/ovsdb.ctl"
    return ("ovsdb-server", f"{switch.directory}/conf.db", remote, control, *_LOG_TO_STDERR)


def vswitchd_argv(switch: Switch) -> tuple[str, ...]:
    """The switching daemon, in the foreground, logging to standard error."""
    return ("ovs-vswitchd", switch.database, f"--unixctl={switch.directory}/vswitchd.ctl", *_LOG_TO_STDERR)


def configure_argv(switch: Switch) -> tuple[str, ...]:
    """One ovs-vsctl for the whole bridge (each start costs 10 ms); it returns when ovs-vswitchd has done it."""
    settings = (
        f"datapath_type={switch.datapath_type}",
        f"other-config:datapath-id={switch.datapath_id:016x}",
        f"protocols={','.join(switch.protocols)}",
        f"fail-mode={'secure' if switch.controller else 'standalone'}",
    )
    argv = [*_vsctl(switch), "--", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, *settings]
    for number, interface in enumerate(switch.interfaces, start=1):
        argv += ["--", "add-port", BRIDGE, interface]
        argv += ["--", "set", "interface", interface, f"ofport_request={number}"]
    if switch.controller:
        argv += ["--", "set-controller", BRIDGE, switch.controller]
        # The controller is reached by a management interface: no hidden flows for it on the bridge.
        argv += ["--", "set", "controller", BRIDGE, "connection-mode=out-of-band"]
    return (*argv, *(_edge(switch.edge, switch.datapath_type) if switch.edge else ()))


def _edge(edge: PlannedEdge, datapath_type: str) -> Iterator[str]:
    for bridge in edge.bridges:
        yield from ("--", "add-br", bridge.name, "--", "set", "bridge", bridge.name, f"datapath_type={datapath_type}")
        # It switches by itself, as it has no controller.
        yield from ("fail-mode=standalone", f'other-config:hwaddr="{bridge.mac}"')
        yield from ("--", "add-port", bridge.name, bridge.ifname)
        # Unless it is told, it is sometimes left with 1500, and the kernel puts no VXLAN into more.
        yield from ("--", "set", "interface", bridge.name, f"mtu_request={bridge.mtu}")
    for tunnel in edge.tunnels:
        yield from ("--", "add-port", BRIDGE, tunnel.name, "--", "set", "interface", tunnel.name, *_vxlan(tunnel))
    probes = edge.probes
    yield from ("--", "add-port", BRIDGE, probes.ifname, "--", "set", "interface", probes.ifname, "type=internal")
    yield from (f"ofport_request={probes.port}", f'mac="{probes.mac}"')
    if replicas := edge.replicas:
        yield from ("--", "add-port", BRIDGE, replicas.ifname, "--", "set", "interface", replicas.ifname)
        yield from ("type=internal", f"ofport_request={replicas.port}", f"mtu_request={replicas.mtu}")


def _vxlan(tunnel: PlannedTunnel) -> Iterator[str]:
    yield from ("type=vxlan", f"ofport_request={tunnel.port}", "options:key=flow")
    yield from (f"options:local_ip={tunnel.local}", f"options:remote_ip={tunnel.remote}")
    # DSCP is the upper six bits of the octet.
    yield f"options:tos={'inherit' if tunnel.dscp is None else hex(tunnel.dscp << 2)}"


@contextmanager
def private_ovs(switch: Switch, spawn: Spawn) -> Iterator[Switch]:
    """Run the switch: all of its interfaces are attached when the body starts, nothing is left when it ends.

    Raises OvsError if a daemon does not come up or an interface cannot be attached. Start the controller first:
    ovs-vswitchd tries again after 1, 2, 4, 8 s only.
    """
    switch.directory.mkdir()
    daemons: list[Daemon] = []
    try:
        _run(switch, create_database_argv(switch))
        daemons.append(spawn("ovsdb-server", ovsdb_argv(switch), environment(switch)))
        _await_database(switch, daemons[0])
        daemons.append(spawn("ovs-vswitchd", vswitchd_argv(switch), environment(switch)))
        _run(switch, configure_argv(switch))
        _check_interfaces(switch)
        yield switch
    finally:
        _take_down(switch, daemons)


@contextmanager
def handed_over(directory: Path, controller: str) -> Iterator[None]:
    """Give a switch that runs in `directory` to another controller; afterwards it is its own one's again.

    It is empty at first, each time: a controller begins with no flows. OvsError if the switch does not answer.
    """
    switch = Switch(directory, 0, ())
    own = _run(switch, (*_vsctl(switch), "get-controller", BRIDGE)).strip()
    spoken = _run(switch, (*_vsctl(switch), "get", "bridge", BRIDGE, "protocols"))
    protocols = re.findall(r"OpenFlow\d+", spoken)
    _give(switch, controller, ALL_PROTOCOLS)
    try:
        yield
    finally:
        _give(switch, own, protocols)


def _give(switch: Switch, controller: str, protocols: Sequence[str]) -> None:
    """Without a controller in between, so that the one before is gone when the tables are emptied."""
    _run(switch, (*_vsctl(switch), "del-controller", BRIDGE))
    _run(switch, ("ovs-ofctl", "-O", "OpenFlow13", "del-flows", switch.openflow))
    settings = ("set", "bridge", BRIDGE, f"protocols={','.join(protocols)}", "--", "set-controller", BRIDGE, controller)
    out_of_band = ("--", "set", "controller", BRIDGE, "connection-mode=out-of-band")
    _run(switch, (*_vsctl(switch), "--", *settings, *out_of_band))


def _vsctl(switch: Switch) -> tuple[str, ...]:
    return ("ovs-vsctl", f"--timeout={_DEADLINE_S}", f"--db={switch.database}")


def _run(switch: Switch, argv: Sequence[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **environment(switch)})
    if done.returncode != 0:
        raise OvsError(f"{switch.directory}: {' '.join(argv[:4])} …: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _await_database(switch: Switch, server: Daemon) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not _answers(switch):
        if server.poll() is not None:
            raise OvsError(f"{switch.directory}: ovsdb-server ended with {server.poll()}; its log says why")
        if time.monotonic() > deadline:
            raise OvsError(f"{switch.directory}: ovsdb-server does not answer within {_DEADLINE_S} s")
        time.sleep(_POLL_S)


def _answers(switch: Switch) -> bool:
    # By way of a descriptor, for a socket's path may have 107 characters only.
    directory = os.open(switch.directory, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(f"/proc/self/fd/{directory}/db.sock") == 0
    finally:
        os.close(directory)


def _check_interfaces(switch: Switch) -> None:
    """ovs-vsctl exits with 0 even where an interface could not be opened; the database knows better."""
    columns = ("--format=json", "--columns=name,ofport,error", "list", "interface")
    rows = json.loads(_run(switch, (*_vsctl(switch), *columns)))["data"]
    failed = [f"{name}: {error or 'no port number'}" for name, ofport, error in rows if not _attached(ofport)]
    if failed:
        raise OvsError(f"{switch.directory}: not attached to {BRIDGE}: {'; '.join(failed)}")


def _attached(ofport: object) -> bool:
    return isinstance(ofport, int) and ofport > 0


def _take_down(switch: Switch, daemons: Sequence[Daemon]) -> None:
    if len(daemons) == 2 and daemons[1].poll() is None:
        # The kernel's datapath goes with its last bridge; it would outlive the daemon otherwise.
        bridges = (BRIDGE, *(bridge.name for bridge in (switch.edge.bridges if switch.edge else ())))
        removals = (argument for name in bridges for argument in ("--", "--if-exists", "del-br", name))
        with suppress(OvsError):
            _run(switch, (*_vsctl(switch), *removals))
    for daemon in reversed(daemons):
        _end(daemon)
    shutil.rmtree(switch.directory, ignore_errors=True)


def _end(daemon: Daemon) -> None:
    if daemon.poll() is None:
        daemon.terminate()
    try:
        daemon.wait(timeout=_DEADLINE_S)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
