"""Events: what a process tells the lab, one JSON object a line on standard output, with `event` and `t` (Unix seconds).

Kinds are snake_case; the run's record has the same fields, with the kind as `kind` and the sender as `process`.

every process    ready                    it serves; its own words for where
controller       switch_up, switch_down   {dpid}
                 flow_error               {dpid, type, code, request}
probes           stopped                  {name, …}
SMF and UPF      association              {peer, name, state: up|down, reason}
SMF              all_associated           the first time that every UPF is
                 session_established, session_activated, session_released, ulcl_inserted, ulcl_removed
                                          {ue, ref, dnn, ue_ipv4, psa}
                 session_lost             {ue, ref, upf, reason}   that UPF has forgotten its part
                 session_report           {ue, ref, upf, report}
                 step                     {ue, ref, procedure, step}
                 procedure_failed         {ue, ref, procedure, step, reason}
UPF              session_established, session_modified, session_deleted
                                          {seid, cp_seid, pdrs, f_teids}
gNB              pdu_session_established  {ue, ref, ue_ipv4, uplink, downlink}
                 pdu_session_released     {ue, ref}
                 n3_path_switched         {ue, old, new}

`ue` is the UE's name (the SMF's APIs call it SUPI), `ref` the SMF's SM context, `ue_ipv4` the address of the session,
`peer` an address and port; F-TEIDs (`uplink`, `downlink`, `old`, `new`, `f_teids`) are `{teid, ipv4}`.
"""

from __future__ import annotations

import json
import sys
import threading
import time

_lock = threading.Lock()


def emit(event: str, **fields: object) -> None:
    """Write one event as one line, from any thread; values that JSON has not become text."""
    line = json.dumps({"event": event, "t": time.time(), **fields}, default=str) + "\n"
    with _lock:
        sys.stdout.write(line)
        sys.stdout.flush()
