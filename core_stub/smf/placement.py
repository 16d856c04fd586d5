"""Where a new session goes: its pool by DNN and slice, its address, its PSA (TS 23.501 §6.3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from core_stub.smf import selection
from core_stub.smf.config import UpfClient
from core_stub.smf.core import Core, RefusedError
from core_stub.smf.pools import PoolExhaustedError
from core_stub.smf.procedures import lifecycle
from core_stub.smf.session import N4Session, PduSession, SessionRequest, SmContext
from core_stub.smf.table import Entry, Pool


class Placement:
    """Knows which sessions are being created, and which UEs are to get another PSA with their next session."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._being_created: set[tuple[str, int]] = set()
        self._steered: dict[tuple[str, str], str] = {}

    @contextmanager
    def claimed(self, request: SessionRequest) -> Iterator[None]:
        """Nobody else may create the same session meanwhile; RefusedError if there is one."""
        key = (request.supi, request.pdu_session_id)
        if key in self._being_created or request.pdu_session_id in self._core.table.of_ue(request.supi):
            detail = f"{request.supi} has a PDU session {request.pdu_session_id}; release it first"
            raise RefusedError(HTTPStatus.CONFLICT, "SESSION_EXISTS", detail)
        self._being_created.add(key)
        try:
            yield
        finally:
            self._being_created.remove(key)

    def place(self, request: SessionRequest) -> Entry:
        """The session as it is to be, with an address, not yet in the table; RefusedError if it cannot be."""
        pool, psa = self._pool_and_psa(request)
        table, config = self._core.table, pool.config
        context = SmContext(
            table.new_ref(),
            request,
            config.qfi,
            pool.addresses.allocate(),
            request.ssc_mode or config.ssc_mode,
            config.ambr.rates() if config.ambr else None,
            config.charging.rule() if config.charging else None,
        )
        n4 = N4Session(psa.label, table.new_seid())
        flows = tuple(flow.in_slot(slot) for slot, flow in enumerate(config.flows, 1))
        return Entry(lifecycle.draft(context, n4, flows), pool, {psa.label: n4.cp_seid})

    def steer_away(self, session: PduSession, to: UpfClient | None) -> str:
        """The other PSA that the UE's next session to the same DNN gets: `to`, or the one with the least load."""
        request = session.context.request
        candidates = {
            upf.label: upf
            for pool in self._pools(request)
            for upf in selection.anchors(self._core.config, pool.config, request.dnn)
            if upf.label != session.psa.upf and (to is None or upf is to)
        }
        chosen = selection.choose(candidates.values(), self._core.is_associated, self._core.loads, request.dnai)
        if chosen is None:
            what = f"{to.label} is no other PSA" if to else "there is no other PSA"
            detail = f"{what} for DNN {request.dnn} that is associated"
            raise RefusedError(HTTPStatus.CONFLICT, "INVALID_UPF", detail)
        self._steered[request.supi, request.dnn] = chosen.label
        return chosen.label

    def _pool_and_psa(self, request: SessionRequest) -> tuple[Pool, UpfClient]:
        """A pool with a free address, and a PSA for it."""
        core, exhausted = self._core, None
        missing: dict[str, None] = {}
        steered = self._steered.pop((request.supi, request.dnn), None)
        for pool in self._pools(request):
            candidates = selection.anchors(core.config, pool.config, request.dnn)
            wanted = [upf for upf in candidates if upf.label == steered]
            psa = selection.choose(wanted, core.is_associated, core.loads) or selection.choose(
                candidates, core.is_associated, core.loads, request.dnai
            )
            if psa is None:
                missing.update((upf.label, None) for upf in candidates)
            elif pool.addresses.is_exhausted:
                exhausted = PoolExhaustedError(pool.addresses.subnet, pool.addresses.in_use)
            else:
                return pool, psa
        if exhausted is not None:
            raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "INSUFFICIENT_RESOURCES", str(exhausted))
        detail = f"{' and '.join(missing) or 'no UPF'} {'is' if len(missing) < 2 else 'are'} not associated"
        raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "UPF_NOT_RESPONDING", detail)

    def _pools(self, request: SessionRequest) -> list[Pool]:
        """The pools of the DNN, or else those for any DNN, that are in the slice."""
        all_pools = self._core.table.pools
        pools = [pool for pool in all_pools if pool.config.dnn == request.dnn]
        pools = pools or [pool for pool in all_pools if pool.config.dnn is None]
        if not pools:
            known = ", ".join(dict.fromkeys(str(pool.config.dnn) for pool in all_pools))
            detail = f'DNN "{request.dnn}"; want one of {known}'
            raise RefusedError(HTTPStatus.FORBIDDEN, "DNN_NOT_SUPPORTED", detail)
        in_slice = [pool for pool in pools if (pool.config.sst, pool.config.sd) == request.snssai]
        if not in_slice:
            slices = ", ".join(dict.fromkeys(_slice(pool.config.sst, pool.config.sd) for pool in pools))
            detail = f"{_slice(*request.snssai)}; DNN {request.dnn} is in {slices}"
            raise RefusedError(HTTPStatus.FORBIDDEN, "SNSSAI_DENIED", detail)
        return in_slice


def _slice(sst: int, sd: int | None) -> str:
    return f"S-NSSAI {sst}" if sd is None else f"S-NSSAI {sst}-{sd:06X}"
