"""What encrypts and what hides at the gateways of a lab: WireGuard by the kernel, or by wireguard-go where it has none.

Keys live as long as the lab does: they are made here, and written nowhere.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from testbed import doctor, netns
from testbed.errors import RunInvalidError
from testbed.lab.build import run_ip
from testbed.lab.processes import Command
from testbed.plan.model import Plan, PlannedNode, PlannedWireguard
from topologies.network import RunningLab

KERNEL, USERSPACE, TOOL = "wireguard", "wireguard-go", "wg"
"""The doctor's names for what a lab with encrypted transports needs: one of the first two, and the third."""

_CONTROL = Path("/var/run/wireguard")
"""Where wireguard-go has a socket for each of its interfaces, whatever namespace they are in."""

_READY_WITHIN_S = 10.0

_MASQUERADE = """\
table ip bearerlab {{
  chain hide {{ type nat hook postrouting priority srcnat; oifname "{0}" masquerade; }}
  chain shut {{ type filter hook forward priority filter; iifname "{0}" ct state new drop; }}
}}
"""


def needs(plan: Plan) -> list[str]:
    """What gateways need of the host, by the doctor's names."""
    secured = any(node.wireguard for node in plan.nodes)
    by = KERNEL if secured and doctor.present(KERNEL) else USERSPACE
    return ([by, TOOL] if secured else []) + (["nftables"] if any(node.masquerades for node in plan.nodes) else [])


def start_gateways(plan: Plan, running: RunningLab) -> str | None:
    """Let NATs hide and gateways encrypt; what encrypts, if anything does. RunInvalidError if they cannot."""
    for node in plan.nodes:
        if node.masquerades:
            _run(running, node, ("nft", "-f", "-"), _MASQUERADE.format(node.masquerades))
    gateways = [(node, node.wireguard) for node in plan.nodes if node.wireguard]
    if not gateways:
        return None
    by = KERNEL if doctor.present(KERNEL) else USERSPACE
    names = {node.name: f"wg{running.run_id}{number}" for number, (node, _) in enumerate(gateways)}
    private = {node.name: _run(running, node, (TOOL, "genkey")).strip() for node, _ in gateways}
    public = {node.name: _run(running, node, (TOOL, "pubkey"), private[node.name]).strip() for node, _ in gateways}
    for node, _ in gateways:
        _make(node, names[node.name], by, running)
    for node, planned in gateways:
        name = names[node.name]
        if by == USERSPACE:
            running.supervisor.wait_ready(_process(node), _READY_WITHIN_S)
        _run(running, node, (TOOL, "setconf", name, "/dev/stdin"), configuration(planned, private[node.name], public))
        with netns.entered(running.names.namespace(node.name)):
            run_ip(_script(planned, name), where=node.name)
    return by


def configuration(planned: PlannedWireguard, private: str, public: Mapping[str, str]) -> str:
    """What `wg setconf` takes; `public` are the keys of all gateways, by name."""
    keepalive = f"PersistentKeepalive = {planned.keepalive_s}\n" if planned.keepalive_s else ""
    peers = (
        f"[Peer]\nPublicKey = {public[peer.gateway]}\nAllowedIPs = {peer.prefix}\n"
        + (f"Endpoint = {peer.endpoint}\n" if peer.endpoint else "")
        + keepalive
        for peer in planned.peers
    )
    return f"[Interface]\nPrivateKey = {private}\nListenPort = {planned.port}\n" + "".join(peers)


def _script(planned: PlannedWireguard, name: str) -> str:
    routes = (f"route add {peer.prefix} dev {name}\n" for peer in planned.peers)
    return f"link set dev {name} mtu {planned.mtu} up\n" + "".join(routes)


def _make(node: PlannedNode, name: str, by: str, running: RunningLab) -> None:
    if by == KERNEL:
        with netns.entered(running.names.namespace(node.name)):
            run_ip(f"link add name {name} type wireguard\n", where=node.name)
        return
    control = _CONTROL / f"{name}.sock"
    running.ledger.path(control)
    command = Command(
        _process(node),
        node.name,
        (USERSPACE, "--foreground", name),
        is_ready=control.exists,
        env=(("LOG_LEVEL", "error"),),
    )
    running.supervisor.start(command)


def _process(node: PlannedNode) -> str:
    return f"{node.name}-wireguard"


def _run(running: RunningLab, node: PlannedNode, argv: tuple[str, ...], stdin: str = "") -> str:
    with netns.entered(running.names.namespace(node.name)):
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = tuple(done.stderr.splitlines())
        raise RunInvalidError(f"{node.name}: {' '.join(argv[:2])} failed", process=argv[0], log_tail=lines)
    return done.stdout
