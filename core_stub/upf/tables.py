"""The rules of one kind in a session: a tuple, since they are few and sessions are many; and how requests edit it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from core_stub.pfcp.ies import RuleType
from core_stub.upf.errors import RuleError

Rule = TypeVar("Rule")


Edits = tuple[tuple[int, ...], tuple[Any, ...], tuple[Any, ...]]
"""What a request does to the rules of one kind, in this order: IDs to remove, rules to create, updates."""


def edited(
    kind: RuleType, rules: tuple[Rule, ...], edits: Edits, updated: Callable[[Rule, Any], Rule]
) -> tuple[Rule, ...]:
    """`rules` after `edits`, with `updated(rule, update)` in place of a rule; RuleError for what cannot be.

    Where nothing changes it is the very tuple that was given.
    """
    remove, create, update = edits
    if not (remove or create or update):
        return rules
    id_of = _ID[kind]
    table = {id_of(rule): rule for rule in rules}
    for rule_id in remove:
        _known(table, kind, rule_id)
        del table[rule_id]
    for rule in create:
        if id_of(rule) in table:
            raise RuleError(kind, id_of(rule), "created a second time")
        table[id_of(rule)] = rule
    for change in update:
        rule_id = id_of(change)
        table[rule_id] = updated(_known(table, kind, rule_id), change)
    return tuple(table.values())


def merged(value: Rule, update: object, **changes: object) -> Rule:
    """`value` with what `update` brings (None: as before) and without what it removes (§5.6.3: null length).

    `changes` come on top.
    """
    kind: Any = type(value)
    update_kind: Any = type(update)
    new: dict[str, Any] = {}
    for name, is_shared in _fields(kind, update_kind):
        brought = getattr(update, name) if is_shared else None
        new[name] = getattr(value, name) if brought is None else brought
    for name in getattr(update, "removed", ()):
        if name in new:
            new[name] = _defaults(kind)[name]
    result: Rule = kind(**(new | changes))
    return result


def _known(table: dict[int, Rule], kind: RuleType, rule_id: int) -> Rule:
    if rule_id not in table:
        raise RuleError(kind, rule_id, "there is none with this ID")
    return table[rule_id]


_ID: dict[RuleType, Callable[[Any], int]] = {
    RuleType.PDR: attrgetter("pdr_id"),
    RuleType.FAR: attrgetter("far_id"),
    RuleType.QER: attrgetter("qer_id"),
    RuleType.URR: attrgetter("urr_id"),
    RuleType.BAR: attrgetter("bar_id"),
}


@cache
def _fields(kind: Any, update_kind: Any) -> tuple[tuple[str, bool], ...]:
    """The fields of a rule, and whether an update has them too."""
    of_update = {field.name for field in fields(update_kind)} - {"removed"}
    return tuple((field.name, field.name in of_update) for field in fields(kind))


@cache
def _defaults(kind: Any) -> dict[str, Any]:
    return {field.name: field.default for field in fields(kind)}
