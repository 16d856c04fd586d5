"""Runs the probes."""

from __future__ import annotations

import os
from collections.abc import Iterable

from testbed.doctor.capability import NEEDS_ROOT, AbsentError, Capability, Check
from testbed.doctor.table import CHECKS
from testbed.errors import HostError


def probe_all() -> tuple[Capability, ...]:
    """Try everything, the required capabilities first."""
    return probe(CHECKS)


def probe(names: Iterable[str]) -> tuple[Capability, ...]:
    """Try only these, in this order; KeyError for a name that the doctor does not know."""
    checks = [CHECKS[name] for name in names]
    return tuple(_try(check) for check in checks)


def present(name: str) -> bool:
    """True if this host can do it."""
    return probe([name])[0].present


def require(names: Iterable[str]) -> None:
    """Raise HostError naming every one of these that this host cannot do; KeyError for a name that is not known."""
    missing = [capability for capability in probe(names) if not capability.present]
    if missing:
        raise missing_error(missing)


def missing_error(missing: Iterable[Capability]) -> HostError:
    """One error for all that is missing: with one line each if there are several."""
    absent = tuple(missing)
    if len(absent) == 1:
        return HostError(absent[0].name, _reason(absent[0]), absent[0].remedy)
    lines = [f"\n  {capability.name}: {_reason(capability)}; {capability.remedy}" for capability in absent]
    return HostError(", ".join(capability.name for capability in absent), f"missing on this host{''.join(lines)}")


def missing_required(capabilities: Iterable[Capability]) -> tuple[Capability, ...]:
    """Those without which nothing runs; if there are any, `bearerlab doctor` exits with 3."""
    return tuple(capability for capability in capabilities if capability.required and not capability.present)


def _try(check: Check) -> Capability:
    try:
        return check.found(present=True, detail=check.probe())
    except PermissionError as error:
        return check.found(present=False, detail=NEEDS_ROOT if os.geteuid() else str(error.strerror))
    except (AbsentError, OSError) as error:
        return check.found(present=False, detail=str(error))


def _reason(capability: Capability) -> str:
    return f"{capability.detail} (needed by {capability.needed_by})"
