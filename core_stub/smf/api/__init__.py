"""The SMF's HTTP APIs; handlers are shims.

sbi.py         Nsmf_PDUSession (TS 29.502 in little) for the gNB
management.py  for the lab, on a Unix socket, and what a PCF would ask for
bodies.py      what is posted

Errors are problem details (RFC 9457) with the `cause` of TS 29.500 or TS 29.502.
"""

from __future__ import annotations

from core_stub.smf.api.management import management
from core_stub.smf.api.sbi import SM_CONTEXTS, sbi

__all__ = ["SM_CONTEXTS", "management", "sbi"]
