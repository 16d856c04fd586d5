"""Events: what a process tells the lab, one JSON object a line on standard output, with `event` and `t` (Unix seconds).

Kinds are snake_case; the run's record has the same fields, with the kind as `kind` and the sender as `process`.

every process    ready                    it serves; its own words for where
controller       switch_up, switch_down   {dpid}
                 flow_error               {dpid, type, code, request}
                 router_up, router_down   {router}
                 adjacency_up, adjacency_down  {router, peer}: repairs are in the kernel by then
                 converged                {routers}: how many of them changed, all in the kernel
                 policy_up, policy_down, policy_removed  {headend, color, endpoint, lists or reasons}
                 route_refused            {router, line, message}: what a kernel said of a line of ours
probes           stopped                  {name, …}
                 measuring                {name, subjects, missing}: how many, and the ids of those that cannot be
SMF and UPF      association              {peer, name, state: up|down, reason}
SMF              all_associated           the first time that every UPF is
                 session_established, session_activated, session_deactivated, session_released, path_switched,
                 ulcl_inserted, ulcl_relocated, ulcl_removed, flow_added, flow_removed, psa_replacement
                                          {ue, ref, dnn, ue_ipv4, psa, …}
                 session_restored         {ue, ref, upf}           after a restart of that UPF, or of the SMF
                 session_moved            {ue, ref, old, psa}      another UPF does what that one did, or none
                 session_lost             {ue, ref, upf, reason}   that UPF has forgotten it, and no other takes it
                 session_report           {ue, ref, upf, report}
                 paging, paging_failed    {ue, ref, …}
                 usage_report             {ue, ref, rating_group, trigger, uplink, downlink, total, duration}: sums
                 quota_granted, quota_exhausted  {ue, ref, rating_group}
                 gtpu_path                {upf, remote, state: up|down}
                 step                     {ue, ref, procedure, step}
                 procedure_failed         {ue, ref, procedure, step, reason}
UPF              session_established, session_modified, session_deleted
                                          {seid, cp_seid, pdrs, f_teids}
gNB              pdu_session_established  {ue, ref, ue_ipv4, uplink, downlink}
                 pdu_session_released     {ue, ref}
                 n3_path_switched         {ue, old, new}
                 ue_idle, paged, service_request, qos_rules, handed_over, handover_complete, pdu_session_expires,
                 service_request_failed, pdu_session_failed
                                          {ue, …}

`ue` is the UE's name (the SMF's APIs call it SUPI), `ref` the SMF's SM context, `ue_ipv4` the address of the session,
`peer` an address and port; F-TEIDs (`uplink`, `downlink`, `old`, `new`, `f_teids`) are `{teid, ipv4}`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time

WITHIN_S = 0.005
"""How much later than it happened an event of an event loop may be written: a write for each would cost more than all
else that a busy network function does for a session."""

_lock = threading.Lock()
_encode = json.JSONEncoder(default=str).encode
_flushing: asyncio.AbstractEventLoop | None = None


def emit(event: str, **fields: object) -> None:
    """Write one event as one line, from any thread; values that JSON has not become text."""
    global _flushing  # noqa: PLW0603 - there is one standard output
    line = _encode({"event": event, "t": time.time(), **fields}) + "\n"
    loop = _running_loop()
    with _lock:
        sys.stdout.write(line)
        if loop is None:
            sys.stdout.flush()
        elif _flushing is not loop:
            _flushing = loop
            loop.call_later(WITHIN_S, _flush)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _flush() -> None:
    global _flushing  # noqa: PLW0603
    with _lock:
        _flushing = None
        sys.stdout.flush()
