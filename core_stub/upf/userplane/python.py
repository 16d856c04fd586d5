"""The portable user plane: a thread of Python between a GTP-U socket and a TUN device."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network

from core_stub.datapath import LARGEST, GtpuSocket, PacketLoop
from core_stub.gtpu import Encapsulator, GPdu, Tunnel, end_marker
from core_stub.upf.flow import Flow, flow_of
from core_stub.upf.rules import Action, Counter, Decapsulate, Drop, Encapsulate, Match, Rule, Rules
from core_stub.upf.userplane.n6 import N6Device, forward_ipv4

Act = Callable[[bytes, int | None], None]
"""What to do with an inner packet and the QFI that it came with."""


class _Compiled:
    """A rule made ready for packets. `count` is a list [packets, octets] that outlives a change of the rule."""

    __slots__ = ("act", "count", "match_all", "matchers", "qfis", "source")

    def __init__(self, match: Match, act: Act, count: list[int]) -> None:
        self.act = act
        self.count = count
        self.matchers = tuple(flow_filter.compile() for flow_filter in match.filters)
        self.qfis = match.qfis
        # Rules for N6 are found by the destination; only behind a TEID is the source still to be checked.
        self.source = int(match.ue_address) if match.teid is not None and match.ue_address else None
        self.match_all = not self.matchers and not self.qfis and self.source is None

    def fits(self, flow: Flow, qfi: int | None) -> bool:
        return (
            (self.source is None or flow.source == self.source)
            and (not self.qfis or qfi is None or qfi in self.qfis)
            and (not self.matchers or any(matches(flow) for matches in self.matchers))
        )


class PythonUserPlane:
    """Makes its socket, device and thread when constructed; OSError where the kernel refuses one of them."""

    def __init__(self, gtpu_address: IPv4Address, n6: str, pools: Collection[IPv4Network], mtu: int) -> None:
        self._by_teid: dict[int, tuple[_Compiled, ...]] = {}
        self._by_ue: dict[bytes, tuple[_Compiled, ...]] = {}
        self._sessions: dict[int, Rules] = {}
        self._counts: dict[int, dict[int, list[int]]] = {}
        self._loop = PacketLoop("upf-user-plane")
        self._gtpu = GtpuSocket(gtpu_address, self._loop, self._from_tunnel)
        try:
            self._n6 = N6Device(n6, pools, mtu)
            forward_ipv4()
        except BaseException:
            self._gtpu.close()
            raise
        self._loop.add(self._n6.fd, self._from_n6, name=f"N6 device {n6}")
        self._loop.start()

    @property
    def faults(self) -> Mapping[str, int]:
        """Packets that could not be carried, by reason, and rare signalling."""
        return dict(self._loop.faults)

    def apply(self, rules: Rules) -> None:
        """Each packet sees the old rules or the new: a table entry is replaced in one step."""
        before = self._sessions.pop(rules.seid, Rules(rules.seid))
        old_counts = self._counts.pop(rules.seid, {})
        if rules.rules:
            self._sessions[rules.seid] = rules
            self._counts[rules.seid] = {rule.pdr_id: old_counts.get(rule.pdr_id, [0, 0]) for rule in rules.rules}
        by_teid, by_ue = self._compiled(rules)
        self._by_teid.update(by_teid)
        self._by_ue.update(by_ue)
        for teid in _teids(before.rules) - by_teid.keys():
            del self._by_teid[teid]
        for address in _ue_addresses(before.rules) - by_ue.keys():
            del self._by_ue[address]
        for tunnel in rules.end_markers:
            self._send_end_marker(tunnel)

    def counters(self, seid: int) -> Mapping[int, Counter]:
        """PDR ID → counter, for the rules that the session has now."""
        return {pdr_id: Counter(*count) for pdr_id, count in self._counts.get(seid, {}).items()}

    def close(self) -> None:
        """Stop the thread; the socket and the device go."""
        self._loop.stop()
        self._gtpu.close()
        self._n6.close()

    def _from_tunnel(self, g_pdu: GPdu) -> bool:
        rules = self._by_teid.get(g_pdu.teid)
        if rules is None:
            return False
        self._forward(rules, g_pdu.payload, g_pdu.qfi)
        return True

    def _from_n6(self) -> None:
        packet = os.read(self._n6.fd, LARGEST)
        # Only IPv4 is routed here; the kernel's own IPv6 (router solicitations, MLD) ends here.
        rules = self._by_ue.get(packet[16:20]) if packet[0] >> 4 == 4 else None
        if rules is not None:
            self._forward(rules, packet, None)

    def _forward(self, rules: tuple[_Compiled, ...], packet: bytes, qfi: int | None) -> None:
        flow = None
        for rule in rules:
            if not rule.match_all:
                flow = flow or flow_of(packet)
                if flow is None or not rule.fits(flow, qfi):
                    continue
            count = rule.count
            count[0] += 1
            count[1] += len(packet)
            rule.act(packet, qfi)
            return
        self._loop.faults["no PDR"] += 1

    def _compiled(self, rules: Rules) -> tuple[dict[int, tuple[_Compiled, ...]], dict[bytes, tuple[_Compiled, ...]]]:
        by_teid: dict[int, list[_Compiled]] = {}
        by_ue: dict[bytes, list[_Compiled]] = {}
        for rule in rules.rules:
            compiled = _Compiled(rule.match, self._act(rule.action), self._counts[rules.seid][rule.pdr_id])
            if rule.match.teid is not None:
                by_teid.setdefault(rule.match.teid, []).append(compiled)
            elif rule.match.ue_address is not None:
                by_ue.setdefault(rule.match.ue_address.packed, []).append(compiled)
        return (
            {teid: tuple(found) for teid, found in by_teid.items()},
            {address: tuple(found) for address, found in by_ue.items()},
        )

    def _act(self, action: Action) -> Act:
        match action:
            case Drop():
                return _drop
            case Decapsulate():
                return self._to_n6
            case Encapsulate(tunnel):
                return self._to_tunnel(tunnel)

    def _to_n6(self, packet: bytes, _qfi: int | None) -> None:
        try:
            os.write(self._n6.fd, packet)
        except OSError as error:
            self._loop.count_error("n6", error)

    def _to_tunnel(self, tunnel: Tunnel) -> Act:
        send, peer = self._gtpu.send, str(tunnel.peer)
        if tunnel.qfi is not None:
            encapsulate = Encapsulator(tunnel.teid, tunnel.qfi, tunnel.pdu_type)
            return lambda packet, _qfi: send(encapsulate(packet), peer)
        return lambda packet, qfi: send(Encapsulator(tunnel.teid, qfi, tunnel.pdu_type)(packet), peer)

    def _send_end_marker(self, tunnel: Tunnel) -> None:
        # From the thread: a packet that it is just sending on the old path has to be before the marker.
        self._loop.call_soon(lambda: self._gtpu.send(end_marker(tunnel), str(tunnel.peer)))


def _drop(_packet: bytes, _qfi: int | None) -> None:
    pass


def _teids(rules: Iterable[Rule]) -> set[int]:
    return {rule.match.teid for rule in rules if rule.match.teid is not None}


def _ue_addresses(rules: Iterable[Rule]) -> set[bytes]:
    return {rule.match.ue_address.packed for rule in rules if rule.match.teid is None and rule.match.ue_address}
