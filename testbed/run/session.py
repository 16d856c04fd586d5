"""PDU sessions from the lab's side: tell the gNB to attach, then give the UE what its network told it."""

from __future__ import annotations

from testbed import netns
from testbed.lab.build import run_ip
from testbed.plan.model import Plan, PlannedSession
from testbed.record import RunRecord
from testbed.run.management import request
from topologies.network import RunningLab

GATEWAY = "169.254.0.1"
"""The UE's next hop on the radio: nobody has this address, its MAC is the gNB's."""


def establish(plan: Plan, running: RunningLab, record: RunRecord) -> dict[str, str]:
    """Establish every session of the plan; UE → its address. RunInvalidError if the core refuses one."""

    addresses: dict[str, str] = {}
    # One after the other, so that the same UE gets the same address in every run.
    for planned in plan.sessions:
        body = {"ue": planned.ue, "dnn": planned.dnn, "sst": planned.sst}
        answer = request(running.ledger.directory / f"{planned.gnb}.sock", "POST", "/attach", body)
        addresses[planned.ue] = answer["ueIpv4Address"]
        _configure(plan, planned, addresses[planned.ue], running)
        record.event("ue_configured", ue=planned.ue, address=addresses[planned.ue])
    return addresses


def _configure(plan: Plan, planned: PlannedSession, address: str, running: RunningLab) -> None:
    """In a real UE its modem does this, with the address and MTU that the session's establishment brought."""
    radio = planned.gnb
    gnb_mac = plan.node(planned.gnb).interface(planned.ue).mac
    script = (
        f"addr add {address}/32 dev {radio}\n"
        f"link set {radio} mtu {planned.ue_mtu}\n"
        f"neigh replace {GATEWAY} lladdr {gnb_mac} dev {radio} nud permanent\n"
        f"route add default via {GATEWAY} dev {radio} onlink\n"
    )
    with netns.entered(running.names.namespace(planned.ue)):
        run_ip(script, where=planned.ue)
