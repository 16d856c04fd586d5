"""Two hosts joined by a CPE with an Open vSwitch of its own, and a management link from the CPE to a base namespace."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from controllers import ovs
from testbed import netns

MANAGEMENT = "172.31.255.1"
HOST2 = "10.9.0.2"


@dataclass(frozen=True)
class CpeRig:
    """Names of the namespaces; interfaces are named after the peer."""

    prefix: str
    directory: Path
    datapath_type: str

    @property
    def namespaces(self) -> tuple[str, str, str, str]:
        """base, h1, cpe, h2."""
        base, h1, cpe, h2 = (f"{self.prefix}-{node}" for node in ("base", "h1", "cpe", "h2"))
        return base, h1, cpe, h2

    def switch(self, controller: str | None) -> ovs.Switch:
        """The CPE's switch."""
        return ovs.Switch(self.directory, 0x2A, ("h1", "h2"), controller, self.datapath_type)

    def ping(self, count: int = 1) -> bool:
        """h1 reaches h2 with every one of `count` packets."""
        argv = ("ping", "-q", "-c", str(count), "-i", "0.02", "-W", "2", HOST2)
        with netns.entered(self.namespaces[1]):
            return subprocess.run(argv, stdout=subprocess.DEVNULL, check=False).returncode == 0


class Daemons:
    """Starts daemons in a namespace and remembers them."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self.started: list[subprocess.Popen[bytes]] = []

    def spawn(self, _name: str, argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """As `private_ovs` wants it."""
        with netns.entered(self._namespace):
            daemon = subprocess.Popen(argv, env={**os.environ, **env}, stderr=subprocess.DEVNULL)
        self.started.append(daemon)
        return daemon

    @property
    def all_ended(self) -> bool:
        """No daemon that was started is there any more."""
        return all(daemon.returncode is not None for daemon in self.started)


@contextmanager
def cpe_rig(prefix: str, directory: Path, datapath_type: str) -> Iterator[CpeRig]:
    """The namespaces and links, without a switch; removed afterwards."""
    rig = CpeRig(prefix, directory, datapath_type)
    try:
        for namespace in rig.namespaces:
            netns.create(namespace)
        _wire(rig)
        yield rig
    finally:
        for namespace in rig.namespaces:
            with suppress(FileNotFoundError):
                netns.delete(namespace)


def _wire(rig: CpeRig) -> None:
    base, h1, cpe, h2 = rig.namespaces
    commands = [f"link add h1 netns {cpe} type veth peer name cpe netns {h1}"]
    commands += [f"link add h2 netns {cpe} type veth peer name cpe netns {h2}"]
    commands += [f"link add mgmt netns {cpe} type veth peer name cpe netns {base}"]
    _ip("\n".join(commands))
    _ip("link set h1 up\nlink set h2 up\nlink set mgmt up\naddress add 172.31.255.2/24 dev mgmt", cpe)
    _ip(f"link set cpe up\naddress add {MANAGEMENT}/24 dev cpe", base)
    for namespace, address in ((h1, "10.9.0.1"), (h2, HOST2)):
        _ip(f"link set cpe up\naddress add {address}/24 dev cpe", namespace)
        with netns.entered(namespace):
            subprocess.run(("ethtool", "-K", "cpe", "tx", "off"), stdout=subprocess.DEVNULL, check=True)


def _ip(commands: str, namespace: str | None = None) -> None:
    argv = ("ip", "-batch", "-") if namespace is None else ("ip", "-n", namespace, "-batch", "-")
    subprocess.run(argv, input=commands, text=True, check=True)
