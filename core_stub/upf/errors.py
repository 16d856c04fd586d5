"""Rejections that name a rule (TS 29.244 §7.5.3, §7.5.5: Failed Rule ID)."""

from __future__ import annotations

from core_stub.errors import RemoteProtocolError
from core_stub.pfcp.ies import Cause, RuleType


class RuleError(RemoteProtocolError):
    """A rule that cannot be created, changed or removed; carries what goes into Failed Rule ID."""

    def __init__(
        self,
        kind: RuleType,
        rule_id: int,
        detail: str,
        *,
        cause: Cause = Cause.RULE_CREATION_MODIFICATION_FAILURE,
        offending_ie: int | None = None,
    ) -> None:
        self.failed_rule_id = (int(kind), rule_id)
        super().__init__(cause, f"{kind.name} {rule_id}: {detail}", offending_ie)
