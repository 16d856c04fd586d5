"""The rules of one kind in a session: a tuple, since they are few and sessions are many; and how requests edit it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from functools import cache
from operator import attrgetter
from typing import Any, Generic, TypeVar

from core_stub.pfcp.ies import RuleType
from core_stub.upf.errors import RuleError

Rule = TypeVar("Rule")
Value = TypeVar("Value")


class Table(Generic[Rule]):
    """A kind of rules while a request edits it: removals, then creations, then updates; RuleError for what cannot be.

    Without any edit, `rules` gives back the very tuple that it was made of.
    """

    def __init__(self, kind: RuleType, rules: tuple[Rule, ...] = ()) -> None:
        self._kind = kind
        self._id: Callable[[Any], int] = _ID[kind]
        self._before: tuple[Rule, ...] | None = rules
        self._by_id = {self._id(rule): rule for rule in rules}

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules as they are now."""
        return tuple(self._by_id.values()) if self._before is None else self._before

    def remove(self, rule_ids: Iterable[int]) -> None:
        """Take rules away."""
        for rule_id in rule_ids:
            self._known(rule_id)
            del self._by_id[rule_id]
            self._before = None

    def create(self, rules: Iterable[Rule]) -> None:
        """Add rules with IDs of their own."""
        for rule in rules:
            rule_id = self._id(rule)
            if rule_id in self._by_id:
                raise RuleError(self._kind, rule_id, "created a second time")
            self._by_id[rule_id] = rule
            self._before = None

    def update(self, updates: Iterable[Value], updated: Callable[[Rule, Value], Rule]) -> None:
        """Put `updated(rule, update)` in the place of each rule that there is an update for."""
        for update in updates:
            rule_id = self._id(update)
            self._by_id[rule_id] = updated(self._known(rule_id), update)
            self._before = None

    def _known(self, rule_id: int) -> Rule:
        if rule_id not in self._by_id:
            raise RuleError(self._kind, rule_id, "there is none with this ID")
        return self._by_id[rule_id]


def merged(value: Value, update: object) -> Value:
    """`value` with what `update` brings (None: as before) and without what it removes (§5.6.3: null length)."""
    kind: Any = type(value)
    update_kind: Any = type(update)
    names, defaults = _shared_fields(kind, update_kind), _defaults(kind)
    brought = {name: new for name in names if (new := getattr(update, name)) is not None}
    removed = {name: defaults[name] for name in getattr(update, "removed", ()) if name in defaults}
    return replace(value, **(brought | removed))  # type: ignore[type-var]


_ID: dict[RuleType, Callable[[Any], int]] = {
    RuleType.PDR: attrgetter("pdr_id"),
    RuleType.FAR: attrgetter("far_id"),
    RuleType.QER: attrgetter("qer_id"),
    RuleType.URR: attrgetter("urr_id"),
    RuleType.BAR: attrgetter("bar_id"),
}


@cache
def _shared_fields(kind: Any, update_kind: Any) -> tuple[str, ...]:
    of_update = {field.name for field in fields(update_kind)}
    return tuple(field.name for field in fields(kind) if field.name in of_update and field.name != "removed")


@cache
def _defaults(kind: Any) -> dict[str, Any]:
    """The fields that a rule can do without, and what stands there then."""
    return {field.name: field.default for field in fields(kind) if field.default is None or field.default == ()}
