"""A small world for the SMF: UPFs that keep rules, a gNB, a clock that does not wait, and faults at will.

Nothing moves packets here; instead `uplink_path` and `downlink_path` walk the rules the way a packet would, so that a
test can say at any moment whether one would arrive.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from core_stub.errors import PfcpTimeoutError
from core_stub.pfcp import codec
from core_stub.pfcp.ies import (
    ApplyAction,
    Cause,
    CreatedPdr,
    CreateFar,
    CreatePdr,
    CreateQer,
    CreateUrr,
    FSeid,
    FTeid,
    Interface,
    LoadControl,
    NodeId,
    UsageReport,
)
from core_stub.pfcp.messages import (
    Response,
    SessionDeletionRequest,
    SessionDeletionResponse,
    SessionEstablishmentRequest,
    SessionEstablishmentResponse,
    SessionModificationRequest,
    SessionModificationResponse,
    SessionRequest,
)
from core_stub.smf.config import SmfConfig, load
from core_stub.smf.run import NotAssociatedError, RanError, RanRejectedError
from core_stub.smf.session import PduSession, QosFlow

GNB = FTeid(0x77, IPv4Address("10.1.0.7"))
ADDRESSES = {"upf-cloud": IPv4Address("10.1.0.9"), "upf-edge": IPv4Address("10.1.0.5")}
MEC_FLOW = "permit out ip from 203.0.113.10/32 to assigned"


def smf_yaml() -> dict[str, Any]:
    """A configuration with a PSA in the cloud and a UPF at the edge."""
    return {
        "smf": {
            "pfcp": {
                "server": [{"address": "10.1.0.2"}],
                "client": {
                    "upf": [
                        {
                            "name": "upf-cloud",
                            "address": "10.1.0.9",
                            "dnn": ["internet"],
                            "role": "psa",
                            "dnai": "cloud",
                        },
                        {"name": "upf-edge", "address": "10.1.0.5", "dnai": "edge"},
                    ]
                },
            },
            "sbi": {"server": [{"address": "10.1.0.2", "port": 7777}]},
            "session": [{"subnet": "10.45.0.0/29", "dnn": "internet", "sst": 1, "qfi": 1}],
            "management": {"socket": "/run/smf.sock"},
        }
    }


def smf_config(tmp_path: Path, data: dict[str, Any] | None = None) -> SmfConfig:
    """`smf_yaml()`, or `data`, loaded."""
    path = tmp_path / "smf.yaml"
    path.write_text(yaml.safe_dump(data or smf_yaml()))
    return load(path, {})


def with_more_upfs(data: dict[str, Any]) -> dict[str, Any]:
    """`data` with a second PSA in the cloud and a second UPF at another edge."""
    data["smf"]["pfcp"]["client"]["upf"] += [
        {"name": "upf-cloud-2", "address": "10.1.0.10", "dnn": ["internet"], "role": "psa", "dnai": "cloud-2"},
        {"name": "upf-edge-2", "address": "10.1.0.6", "dnai": "edge-2"},
    ]
    return data


@dataclass
class FakeSession:
    """What a UPF keeps of a PFCP session."""

    pdrs: dict[int, CreatePdr] = field(default_factory=dict)
    fars: dict[int, CreateFar] = field(default_factory=dict)
    qers: dict[int, CreateQer] = field(default_factory=dict)
    urrs: dict[int, CreateUrr] = field(default_factory=dict)
    cp_seid: int = 0
    f_teids: dict[int, FTeid] = field(default_factory=dict)


@dataclass
class World:
    """UPFs and a gNB. `calls` are all operations in order: (whom, what); `fault` names the one that fails, and how.

    `asked` is what the gNB was asked beside the switch of N3; `usage` is what the next answer of a UPF reports;
    `refusing` are UPFs that take no new session; with `ignores_f_teids` they choose F-TEIDs that they were told.
    """

    calls: list[tuple[str, object]] = field(default_factory=list)
    fault: tuple[int, str] | None = None
    addresses: dict[str, IPv4Address] = field(default_factory=lambda: dict(ADDRESSES))
    associated: set[str] = field(default_factory=lambda: set(ADDRESSES))
    upfs: dict[str, dict[int, FakeSession]] = field(default_factory=lambda: {name: {} for name in ADDRESSES})
    gnb_n3: FTeid | None = None
    asked: list[tuple[str, object]] = field(default_factory=list)
    refusing: set[str] = field(default_factory=set)
    ignores_f_teids: bool = False
    usage: tuple[UsageReport, ...] = ()
    load: LoadControl | None = None
    after_each: Callable[[], None] = lambda: None
    _numbers: count[int] = field(default_factory=lambda: count(100))

    # -- the ports ----------------------------------------------------------------------------------------------------

    async def request(self, upf: str, message: SessionRequest) -> Response:
        """The port N4."""
        await asyncio.sleep(0)  # others get their turn, as with a real UPF
        (frame,) = codec.frames(codec.encode(message, 7))
        assert codec.decode(frame) == message, "what the SMF sends has to arrive as it was meant"
        if upf not in self.associated:
            raise NotAssociatedError(upf)
        fault = self._called(upf, message)
        refused = upf in self.refusing and isinstance(message, SessionEstablishmentRequest)
        if fault == "rejected" or refused:
            return _rejection(message)
        if fault == "request lost":
            raise PfcpTimeoutError(f"{upf} does not answer")
        response = self._apply(upf, message)
        self.after_each()
        if fault == "answer lost":
            raise PfcpTimeoutError(f"{upf} does not answer")
        return response

    async def switch_n3(self, session: PduSession, f_teid: FTeid) -> None:
        """The port Ran."""
        await asyncio.sleep(0)
        fault = self._called("gnb", f_teid)
        if fault == "rejected":
            raise RanRejectedError("gnb: rejected")
        if fault == "request lost":
            raise RanError("gnb: request lost")
        self.gnb_n3 = f_teid
        self.after_each()
        if fault == "answer lost":
            raise RanError("gnb: answer lost")

    async def set_flows(self, session: PduSession, flows: tuple[QosFlow, ...]) -> None:
        """The port Ran."""
        await self._asked("set_flows", tuple(flow.qfi for flow in flows))

    async def page(self, session: PduSession) -> None:
        """The port Ran."""
        await self._asked("page", session.context.ref)

    async def release(self, session: PduSession, *, reactivate: bool) -> None:
        """The port Ran."""
        await self._asked("release", reactivate)

    async def replace(self, session: PduSession, lifetime_s: float) -> None:
        """The port Ran."""
        await self._asked("replace", lifetime_s)

    async def _asked(self, what: str, about: object) -> None:
        await asyncio.sleep(0)
        fault = self._called("gnb", what)
        if fault == "rejected":
            raise RanRejectedError("gnb: rejected")
        if fault == "request lost":
            raise RanError("gnb: request lost")
        self.asked.append((what, about))
        if fault == "answer lost":
            raise RanError("gnb: answer lost")

    async def sleep(self, seconds: float) -> None:
        """A sleep that takes no time and is noted."""
        self.calls.append(("sleep", seconds))
        self.after_each()

    def is_associated(self, upf: str) -> bool:
        """The port N4."""
        return upf in self.associated

    # -- what may happen to UPFs --------------------------------------------------------------------------------------

    def add_upfs(self, addresses: dict[str, str]) -> None:
        """More UPFs, associated."""
        for name in addresses.keys() - self.upfs.keys():
            self.addresses[name] = IPv4Address(addresses[name])
            self.associated.add(name)
            self.upfs[name] = {}

    def restart(self, upf: str) -> None:
        """The UPF forgets everything, and is still associated."""
        self.upfs[upf].clear()

    def kill(self, upf: str) -> None:
        """The UPF is gone."""
        self.upfs[upf].clear()
        self.associated.discard(upf)

    # -- what a packet would do ---------------------------------------------------------------------------------------

    def uplink_path(self) -> list[str]:
        """The UPFs that an uplink packet passes which no SDF filter takes, to N6 at the last; [] if it is lost."""
        f_teid, path = self.gnb_n3, []
        while f_teid is not None:
            hop = self._receiver(f_teid)
            if hop is None:
                return []
            path.append(hop[0])
            far = hop[1].fars[max(hop[2], key=lambda pdr: pdr.precedence).far_id or 0]
            f_teid = _tunnel_of(far)
        return path

    def downlink_path(self, psa: str = "upf-cloud") -> list[str]:
        """The nodes that a downlink packet from N6 at `psa` passes; [] if it is lost or buffered."""
        path, session = [psa], next(iter(self.upfs[psa].values()))
        far = session.fars[session.pdrs[1].far_id or 0]
        while ApplyAction.FORW in far.apply_action and (f_teid := _tunnel_of(far)) is not None:
            if f_teid == GNB:
                return [*path, "gnb"]
            hop = self._receiver(f_teid)
            if hop is None:
                return []
            path.append(hop[0])
            far = hop[1].fars[hop[2][0].far_id or 0]
        return []

    def snapshot(self) -> object:
        """Everything that a rollback has to restore."""
        return copy.deepcopy((self.upfs, self.gnb_n3))

    def _receiver(self, f_teid: FTeid) -> tuple[str, FakeSession, list[CreatePdr]] | None:
        for upf, sessions in self.upfs.items():
            for session in sessions.values():
                pdrs = [session.pdrs[pdr_id] for pdr_id, chosen in session.f_teids.items() if chosen == f_teid]
                if pdrs:
                    return upf, session, pdrs
        return None

    # -- how a UPF takes messages -------------------------------------------------------------------------------------

    def _called(self, whom: str, what: object) -> str:
        made = sum(1 for called, _ in self.calls if called != "sleep")
        self.calls.append((whom, what))
        return self.fault[1] if self.fault and self.fault[0] == made else ""

    def _apply(self, upf: str, message: SessionRequest) -> Response:
        sessions = self.upfs[upf]
        match message:
            case SessionEstablishmentRequest():
                up_seid, cp_seid = message.seid or next(self._numbers), message.cp_f_seid.seid
                for old in [old for old, session in sessions.items() if session.cp_seid == cp_seid]:
                    del sessions[old]
                sessions[up_seid] = FakeSession(
                    fars={far.far_id: far for far in message.create_fars},
                    qers={qer.qer_id: qer for qer in message.create_qers},
                    urrs={urr.urr_id: urr for urr in message.create_urrs},
                    cp_seid=cp_seid,
                )
                return SessionEstablishmentResponse(
                    message.cp_f_seid.seid,
                    NodeId(self.addresses[upf]),
                    Cause.REQUEST_ACCEPTED,
                    up_f_seid=FSeid(up_seid, self.addresses[upf]),
                    created_pdrs=self._create(upf, sessions[up_seid], message.create_pdrs),
                    load=self.load,
                )
            case SessionModificationRequest(seid=seid) if seid in sessions:
                return self._modify(upf, sessions[seid], message)
            case SessionDeletionRequest(seid=seid) if seid in sessions:
                deleted = sessions.pop(seid)
                return SessionDeletionResponse(deleted.cp_seid, Cause.REQUEST_ACCEPTED, usage_reports=self._usage())
        return _rejection(message, Cause.SESSION_CONTEXT_NOT_FOUND)

    def _modify(self, upf: str, session: FakeSession, message: SessionModificationRequest) -> Response:
        if not set(message.remove_pdrs) <= set(session.pdrs):
            return _rejection(message, Cause.RULE_CREATION_MODIFICATION_FAILURE)
        if {pdr.pdr_id for pdr in message.create_pdrs} & set(session.pdrs):
            return _rejection(message, Cause.RULE_CREATION_MODIFICATION_FAILURE)
        for pdr_id in message.remove_pdrs:
            session.pdrs.pop(pdr_id)
            session.f_teids.pop(pdr_id, None)
        for table, removed in (
            (session.fars, message.remove_fars),
            (session.qers, message.remove_qers),
            (session.urrs, message.remove_urrs),
        ):
            for rule_id in removed:
                table.pop(rule_id)
        session.fars |= {far.far_id: far for far in message.create_fars}
        session.qers |= {qer.qer_id: qer for qer in message.create_qers}
        session.urrs |= {urr.urr_id: urr for urr in message.create_urrs}
        for far in message.update_fars:
            assert far.apply_action is not None
            forwarding = far.forwarding and replace(far.forwarding, send_end_marker=False)
            session.fars[far.far_id] = CreateFar(far.far_id, far.apply_action, forwarding, bar_id=far.bar_id)
        created = self._create(upf, session, message.create_pdrs)
        return SessionModificationResponse(
            session.cp_seid, Cause.REQUEST_ACCEPTED, created_pdrs=created, usage_reports=self._usage()
        )

    def _usage(self) -> tuple[UsageReport, ...]:
        usage, self.usage = self.usage, ()
        return usage

    def _create(self, upf: str, session: FakeSession, pdrs: tuple[CreatePdr, ...]) -> tuple[CreatedPdr, ...]:
        shared: dict[int | None, FTeid] = {
            known.pdi.f_teid.choose_id: session.f_teids[known.pdr_id]
            for known in session.pdrs.values()
            if known.pdi.f_teid and known.pdi.f_teid.choose_id is not None
        }
        created = []
        for pdr in pdrs:
            session.pdrs[pdr.pdr_id] = pdr
            wanted = pdr.pdi.f_teid
            if wanted and not wanted.choose and not self.ignores_f_teids:
                assert wanted.ipv4 == self.addresses[upf]
                session.f_teids[pdr.pdr_id] = wanted
            elif wanted:
                f_teid = shared.get(wanted.choose_id) or FTeid(next(self._numbers), self.addresses[upf])
                if wanted.choose_id is not None:
                    shared[wanted.choose_id] = f_teid
                session.f_teids[pdr.pdr_id] = f_teid
                created.append(CreatedPdr(pdr.pdr_id, f_teid))
        return tuple(created)


def _tunnel_of(far: CreateFar) -> FTeid | None:
    header = far.forwarding.outer_header_creation if far.forwarding else None
    if header is None:
        return None
    assert far.forwarding is not None
    assert far.forwarding.destination_interface in (Interface.ACCESS, Interface.CORE)
    return FTeid(header.teid or 0, header.ipv4)


def _rejection(message: SessionRequest, cause: Cause = Cause.NO_RESOURCES_AVAILABLE) -> Response:
    match message:
        case SessionEstablishmentRequest():
            return SessionEstablishmentResponse(message.cp_f_seid.seid, NodeId("upf"), cause)
        case SessionModificationRequest():
            return SessionModificationResponse(0, cause)
        case _:
            return SessionDeletionResponse(0, cause)
