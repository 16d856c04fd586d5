"""What the SMF could not do, as problem details."""

from __future__ import annotations

from http import HTTPStatus

from core_stub.errors import PfcpTimeoutError
from core_stub.http import ProblemDetails
from core_stub.smf.core import RefusedError
from core_stub.smf.run import NotAssociatedError, ProcedureError, RanError


def explain(error: Exception) -> ProblemDetails | None:
    """The problem details of an error that the SMF raises; None for a bug."""
    match error:
        case RefusedError():
            return ProblemDetails(error.status, str(error), error.cause)
        case ProcedureError():
            status, cause = _blame(error.failure)
            return ProblemDetails(status, str(error), cause, {"step": error.step})
    return None


def _blame(failure: Exception) -> tuple[HTTPStatus, str]:
    match failure:
        case PfcpTimeoutError():
            return HTTPStatus.GATEWAY_TIMEOUT, "UPF_NOT_RESPONDING"
        case NotAssociatedError():
            return HTTPStatus.SERVICE_UNAVAILABLE, "UPF_NOT_RESPONDING"
        case RanError():
            return HTTPStatus.GATEWAY_TIMEOUT, "PEER_NOT_RESPONDING"
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR, "UNSPECIFIED_NF_FAILURE"
