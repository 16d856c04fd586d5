"""PDU sessions from the lab's side: tell the gNB to attach, then give the UE what its network told it."""

from __future__ import annotations

from testbed import netns
from testbed.lab.build import run_ip
from testbed.plan.model import PlannedSession
from testbed.run.running import Testbed

GATEWAY = "169.254.0.1"
"""The UE's next hop on the radio: nobody has this address, its MAC is the gNB's."""


def establish(testbed: Testbed) -> None:
    """Establish every session of the plan and fill in `ue_addresses`; RunInvalidError if the core refuses one."""
    # One after the other, so that the same UE gets the same address in every run.
    for planned in testbed.plan.sessions:
        body = {"ue": planned.ue, "dnn": planned.dnn, "sst": planned.sst}
        address = testbed.ask(planned.gnb, "POST", "/attach", body)["ueIpv4Address"]
        testbed.ue_addresses[planned.ue] = address
        _configure(testbed, planned, address)
        testbed.record.event("ue_configured", ue=planned.ue, address=address)


def _configure(testbed: Testbed, planned: PlannedSession, address: str) -> None:
    """In a real UE its modem does this, with the address and MTU that the session's establishment brought."""
    radio = planned.gnb
    gnb_mac = testbed.plan.node(planned.gnb).interface(planned.ue).mac
    script = (
        f"addr add {address}/32 dev {radio}\n"
        f"link set dev {radio} mtu {planned.ue_mtu}\n"
        f"neigh replace {GATEWAY} lladdr {gnb_mac} dev {radio} nud permanent\n"
        f"route add default via {GATEWAY} dev {radio} onlink\n"
    )
    with netns.entered(testbed.lab.namespaces[planned.ue]):
        run_ip(script, where=planned.ue)
