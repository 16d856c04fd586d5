"""The policies that were added or removed while the controller ran, in a file, so that the next one has them too."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from controllers.northbound.bodies import PolicyBody, PolicyName
from controllers.srv6.policy import PolicyId


class StoreError(Exception):
    """The file cannot be read or written; the message names it."""


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    policies: tuple[PolicyBody, ...] = ()
    removed: tuple[PolicyName, ...] = ()


class PolicyStore:
    """Kept in `file`; without one it is forgotten with the process. StoreError if the file is not one of ours."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._state = _read(file) if file and file.exists() else _State()

    @property
    def policies(self) -> tuple[PolicyBody, ...]:
        """Those that were added, with the binding SIDs that they got."""
        return self._state.policies

    @property
    def removed(self) -> tuple[PolicyId, ...]:
        """Those of the network's own that were removed."""
        return tuple(each.id for each in self._state.removed)

    def put(self, policy: PolicyBody) -> None:
        """Add a policy, in place of the one with its id; StoreError."""
        others = (each for each in self._state.policies if each.id != policy.id)
        removed = tuple(each for each in self._state.removed if each.id != policy.id)
        self._write(_State(policies=(*others, policy), removed=removed))

    def remove(self, policy: PolicyId) -> None:
        """Note that a policy is not there any more; StoreError."""
        others = tuple(each for each in self._state.policies if each.id != policy)
        name = PolicyName(headend=policy.headend, color=policy.color, endpoint=policy.endpoint)
        self._write(_State(policies=others, removed=(*self._state.removed, name)))

    def _write(self, state: _State) -> None:
        if self._file is not None:
            beside = self._file.with_suffix(".new")
            try:
                beside.write_text(state.model_dump_json(exclude_defaults=True, indent=2))
                beside.replace(self._file)
            except OSError as error:
                raise StoreError(f"{self._file}: {error.strerror}") from error
        self._state = state


def _read(file: Path) -> _State:
    try:
        return _State.model_validate_json(file.read_text())
    except (OSError, ValidationError) as error:
        raise StoreError(f"{file}: not the policies of a controller before: {error}") from error
