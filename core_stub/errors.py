"""The two kinds of protocol fault: theirs and ours."""

from __future__ import annotations

from core_stub.pfcp.ies import Cause


class RemoteProtocolError(Exception):
    """The peer broke the protocol: `cause` is what the spec says to answer, `offending_ie` the IE type at fault."""

    def __init__(self, cause: Cause, detail: str, offending_ie: int | None = None) -> None:
        self.cause = cause
        self.offending_ie = offending_ie
        super().__init__(f"{cause.name}: {detail}")


class LocalProtocolError(Exception):
    """We are about to break the protocol: a bug of ours, or of our caller."""


class PfcpTimeoutError(Exception):
    """No answer after N1 transmissions (TS 29.244 §6.4)."""
