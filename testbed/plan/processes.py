"""The processes of a lab and their configuration: network functions, controller, services, probes.

Only command lines and YAML texts are made here; the packages that understand them are not imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import yaml

from testbed.graph import CPES, Role
from testbed.plan.addressing import MANAGEMENT4
from testbed.plan.model import LinkEnd, PlannedLink, PlannedNode, PlannedProcess
from testbed.scenario.model import Core, HttpProbe, Scenario, Service, StampProbe

SBI_PORT, GNB_PORT, OPENFLOW_PORT = 7777, 7778, 6653
HTTP_PORT, STAMP_PORT, DNS_PORT = 80, 862, 53

CONTROLLER = "controller"
"""The controller's process; its northbound's socket in the lab's directory is called after it."""

CONTROLLER_APP = "controller-app"
"""The process of a controller of the user's own; it has the CPEs instead of ours."""

SEGMENT_PROBE = "segments.all"
"""What measures links and segment lists for the controller."""

REPLICAS = "replicas"
"""In an edge, the interface by which what is duplicated gets its numbers and loses them."""

REPLICATION = "replicas.all"
"""What numbers duplicates, and lets the first of each pass."""

TUNNEL_PROBE = "tunnels.all"
"""What measures overlay tunnels for the controller."""

LINK_PROBE = "links.all"
"""The probe of the links; a scenario's own have no dot in their names."""

MOST_LINK_PROBES = 500
"""A second, over all links: probes must not be what makes a host fall behind."""


def plan_processes(
    scenario: Scenario, nodes: Sequence[PlannedNode], network: str = "", overlay: str = "", app: str = ""
) -> Iterator[PlannedProcess]:
    """Everything that serves, in the order in which it starts: what others talk to comes first.

    `network` and `overlay` are what the controller is given of the underlay and of the overlay; empty without one.
    `app` is the file of a controller of the user's own.
    """
    switches = _cpes(nodes) and not app
    if network or switches:
        yield _controller(network, overlay, switches=switches)
    if scenario.controller:
        listen = ("--listen", f"{MANAGEMENT4[1]}:{OPENFLOW_PORT}")
        argv = ("{python}", "-m", "controllers.launch", *listen, "--file", app, "--", *scenario.controller.options)
        yield PlannedProcess(CONTROLLER_APP, None, argv)
    if scenario.srv6 and scenario.srv6.measure:
        argv = ("{python}", "-m", "traffic.policy_probe", "--name", SEGMENT_PROBE)
        yield PlannedProcess(SEGMENT_PROBE, None, (*argv, "--northbound", f"{{state}}/{CONTROLLER}.sock"))
    if overlay:
        argv = ("{python}", "-m", "traffic.tunnel_probe", "--name", TUNNEL_PROBE)
        yield PlannedProcess(TUNNEL_PROBE, None, (*argv, "--northbound", f"{{state}}/{CONTROLLER}.sock"))
        yield from _replication(json.loads(overlay))
    yield from _servers(scenario)
    if scenario.core.dnns:
        yield from (_upf(upf, nodes, scenario.core) for upf in _with_role(nodes, Role.UPF))
        yield from (_smf(smf, nodes, scenario.core) for smf in _with_role(nodes, Role.SMF))
        yield from (_gnb(gnb, nodes) for gnb in _with_role(nodes, Role.GNB))


def controller_target(nodes: Sequence[PlannedNode]) -> str | None:
    """Where CPEs find the controller, as Open vSwitch writes it; None if there is no CPE."""
    return f"tcp:{MANAGEMENT4[1]}:{OPENFLOW_PORT}" if _cpes(nodes) else None


def plan_probes(scenario: Scenario) -> Iterator[PlannedProcess]:
    """One process for each probe; it writes `samples/<name>.jsonl` in the run directory."""
    for name, probe in scenario.probes.items():
        address = _bracketed(scenario.services[probe.to].address)
        dscp = ("--dscp", str(probe.dscp)) if probe.dscp else ()
        target: tuple[str, ...]
        match probe:
            case StampProbe():
                target = ("traffic.stamp_sender", "--to", f"{address}:{STAMP_PORT}", "--rate", str(probe.rate))
            case HttpProbe():
                url = f"http://{_called(scenario, probe.to)}:{HTTP_PORT}/?bytes={probe.bytes}"
                asked = _resolver(scenario) if scenario.services[probe.to].names else ()
                target = ("traffic.http_probe", "--url", url, *asked, "--interval", f"{probe.interval / 1000:g}")
        argv = ("{python}", "-m", *target, *dscp, "--name", name, "--samples", f"{{run}}/samples/{name}.jsonl")
        yield PlannedProcess(f"probe-{name}", probe.source, argv)


def _called(scenario: Scenario, service: str) -> str:
    """By what HTTP finds a service: its first name, or its address."""
    found = scenario.services[service]
    return found.names[0] if found.names else _bracketed(found.address)


def _resolver(scenario: Scenario) -> tuple[str, ...]:
    return ("--resolver", str(scenario.name_server.address)) if scenario.name_server else ()


def plan_link_probe(interval_ms: float | None, links: Iterable[PlannedLink]) -> Iterator[PlannedProcess]:
    """The process that probes every emulated link, if that is wanted and there are any."""
    emulated = [link for link in links if link.emulated]
    if interval_ms is None or not emulated:
        return
    interval_s = max(interval_ms / 1000, 2 * len(emulated) / MOST_LINK_PROBES)
    ends = [{"name": link.name, "a": _namespaced(link.a), "b": _namespaced(link.b)} for link in emulated]
    where = ("--links", "{config}", "--samples", f"{{run}}/samples/{LINK_PROBE}.jsonl")
    argv = ("{python}", "-m", "traffic.link_probe", "--name", LINK_PROBE, *where, "--interval", f"{interval_s:g}")
    yield PlannedProcess(f"probe-{LINK_PROBE}", None, argv, json.dumps(ends, indent=1) + "\n")


def _namespaced(end: LinkEnd) -> dict[str, str]:
    return {"namespace": f"{{base}}-{end.node}", "ifname": end.ifname}


def _replication(overlay: Mapping[str, Any]) -> Iterator[PlannedProcess]:
    """The process that has the ports of all edges by which anything is duplicated, if there are any."""
    ports = [
        {"edge": edge["name"], "namespace": edge["namespace"], "ifname": REPLICAS}
        for edge in overlay["edges"]
        if edge["replica_port"] is not None
    ]
    if ports:
        argv = ("{python}", "-m", "traffic.replication", "--name", REPLICATION, "--ports", "{config}")
        yield PlannedProcess(REPLICATION, None, argv, json.dumps(ports, indent=1) + "\n")


def _with_role(nodes: Sequence[PlannedNode], role: Role) -> list[PlannedNode]:
    return [node for node in nodes if node.role is role]


def _controller(network: str, overlay: str, *, switches: bool) -> PlannedProcess:
    """One process for the CPEs, if `switches`, and the underlay."""
    argv: tuple[str, ...] = ("{python}", "-m", "controllers.launch")
    if switches:
        argv += ("--listen", f"{MANAGEMENT4[1]}:{OPENFLOW_PORT}")
    if network or overlay:
        argv += ("--northbound", f"{{state}}/{CONTROLLER}.sock")
    if network:
        argv += ("--app", "srv6", "--network", "{config}", "--state", f"{{run}}/{CONTROLLER}-policies.json")
    if overlay:
        argv += ("--app", "sdwan", "--overlay", "{overlay}")
    elif switches:
        argv += ("--app", "learning_switch")
    files = (("overlay", overlay),) if overlay else ()
    return PlannedProcess(CONTROLLER, None, argv, network, files)


def _cpes(nodes: Sequence[PlannedNode]) -> bool:
    return any(node.role in CPES for node in nodes)


def _bracketed(address: IPv4Address | IPv6Address) -> str:
    """As it stands before a port."""
    return f"[{address}]" if address.version == 6 else str(address)


def _servers(scenario: Scenario) -> Iterator[PlannedProcess]:
    hosts = {host for service in scenario.services.values() for host in service.hosts}
    for host in sorted(hosts):
        served = [service for service in scenario.services.values() if host in service.hosts]
        listen = [argument for service in served for argument in _listening(service)]
        if any(service.dns for service in served):
            listen += _records(scenario)
        yield PlannedProcess(f"serve-{host}", host, ("{python}", "-m", "traffic.serve", "--name", host, *listen))


def _listening(service: Service) -> Iterator[str]:
    address = _bracketed(service.address)
    yield from ("--http", f"{address}:{HTTP_PORT}", "--stamp", f"{address}:{STAMP_PORT}")
    if service.dns:
        yield from ("--dns", f"{address}:{DNS_PORT}")


def _records(scenario: Scenario) -> Iterator[str]:
    """What its name server knows."""
    for service in scenario.services.values():
        for name in service.names:
            yield from ("--record", f"{name}={service.address}")


def _function(node: PlannedNode, package: str, config: dict[str, Any]) -> PlannedProcess:
    argv = ("{python}", "-m", f"core_stub.{package}", "--config", "{config}")
    return PlannedProcess(node.name, node.name, argv, yaml.safe_dump({package: config}, sort_keys=False))


def _management(node: PlannedNode) -> dict[str, str]:
    return {"socket": f"{{state}}/{node.name}.sock"}


def _upf(upf: PlannedNode, nodes: Sequence[PlannedNode], core: Core) -> PlannedProcess:
    sessions = [{"subnet": str(dnn.pool), "dnn": name, "dev": "n6"} for name, dnn in core.dnns.items()]
    config = {
        "pfcp": {
            "server": [{"address": upf.address()}],
            "accept": [smf.address() for smf in _with_role(nodes, Role.SMF)],
        },
        "gtpu": {"server": [{"address": upf.address()}]},
        "session": sessions,
        "mtu": core.ue_mtu,
        "management": _management(upf),
    }
    return _function(upf, "upf", config)


def _smf(smf: PlannedNode, nodes: Sequence[PlannedNode], core: Core) -> PlannedProcess:
    clients: list[dict[str, Any]] = []
    for upf in _with_role(nodes, Role.UPF):
        anchored = [name for name, dnn in core.dnns.items() if dnn.psa == upf.name]
        clients.append(
            {"name": upf.name, "address": upf.address(), "dnai": upf.site} | ({"dnn": anchored} if anchored else {})
        )
    config = {
        "pfcp": {
            "server": [{"address": smf.address()}],
            "client": {"upf": clients},
        },
        "sbi": {"server": [{"address": smf.address(), "port": SBI_PORT}]},
        "session": [
            {"subnet": str(dnn.pool), "dnn": name, "sst": dnn.sst, "qfi": dnn.qfi} for name, dnn in core.dnns.items()
        ],
        "ulcl": {"guard": f"{core.guard:g}ms"},
        "db": f"{{run}}/{smf.name}.db",
        "management": _management(smf),
    }
    return _function(smf, "smf", config)


def _gnb(gnb: PlannedNode, nodes: Sequence[PlannedNode]) -> PlannedProcess:
    smf = _with_role(nodes, Role.SMF)[0]
    ues = [
        {"name": ue.name, "interface": ue.name, "mac": ue.interface(gnb.name).mac}
        for ue in _with_role(nodes, Role.UE)
        if any(interface.name == gnb.name for interface in ue.interfaces)
    ]
    config = {
        "name": gnb.name,
        "gtpu": {"server": [{"address": gnb.address()}]},
        "api": {"address": gnb.address(), "port": GNB_PORT},
        "smf": {"address": smf.address(), "port": SBI_PORT},
        "ues": ues,
        "management": _management(gnb),
    }
    return _function(gnb, "gnb", config)
