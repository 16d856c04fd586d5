"""pydantic's errors as problems: the path into the file, what was got, what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from testbed.errors import Problem

Location = tuple[str | int, ...]


def path_text(location: Location) -> str:
    """`("links", 3, "rate")` as `links[3].rate`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def problem(detail: ErrorDetails, location: Location | None = None, *, known_keys: str = "a known key") -> Problem:
    """One of pydantic's errors; `location` replaces pydantic's own, `known_keys` says what an unknown key could be."""
    parts = detail["loc"] if location is None else location
    # What is wrong with a key, pydantic puts below it.
    where = path_text(parts[:-1] if parts[-1:] == ("[key]",) else parts) or "file"
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            return Problem(where, "an unknown key", known_keys)
        case "missing":
            return Problem(where, "nothing", _MISSING)
        case "union_tag_not_found":
            return Problem(f"{where}.{_discriminator(context)}", "nothing", _MISSING)
        case "union_tag_invalid":
            return Problem(f"{where}.{_discriminator(context)}", f'"{context["tag"]}"', context["expected_tags"])
        case _:
            return Problem(where, _show(detail["input"]), _want(detail))


def unknown_key(schema: Mapping[str, Any], location: Location) -> Problem:
    """The problem of a key at `location` that a JSON Schema does not have, with those that it has there."""
    known, meant = _known_keys(schema, location), meant_key(schema, location)
    if location[-1] in known:
        return Problem(path_text(location), "a key of another kind than those beside it", "keys of one kind")
    want = f"one of {', '.join(known)}" if known else "a known key"
    return Problem(path_text(location), "an unknown key", want, f'did you mean "{meant}"?' if meant else "")


def meant_key(schema: Mapping[str, Any], location: Location) -> str | None:
    """The known key that an unknown one at `location` looks like."""
    return next(iter(get_close_matches(str(location[-1]), _known_keys(schema, location), n=1)), None)


def _known_keys(schema: Mapping[str, Any], location: Location) -> list[str]:
    """The keys that are known where `location` names one that is not."""
    node: Any = schema
    for part in location[:-1]:
        node = _descend(schema, node, part)
    return sorted({key for option in _options(schema, node) for key in option.get("properties", {})})


def _options(schema: Mapping[str, Any], node: Any) -> list[Any]:
    if "$ref" in node:
        return _options(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
    options = [*node.get("anyOf", ()), *node.get("oneOf", ())]
    return [flat for option in options for flat in _options(schema, option)] if options else [node]


def _descend(schema: Mapping[str, Any], node: Any, part: str | int) -> Any:
    children = []
    for option in _options(schema, node):
        if isinstance(part, int):
            children.append(option.get("items", {}))
        else:
            children.append(option.get("properties", {}).get(part) or _any_value(option) or {})
    return {"anyOf": [child for child in children if isinstance(child, dict) and child]} if any(children) else {}


def _any_value(schema: Any) -> Any:
    """What the values of a mapping are, whatever their keys."""
    return schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)


_MISSING = "this key, which has to be there"


def _discriminator(context: dict[str, Any]) -> str:
    return str(context["discriminator"]).strip("'")


def _show(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


_SHAPES = {"list_type": "a list", "tuple_type": "a list", "dict_type": "a mapping", "model_type": "a mapping"}


def _want(detail: ErrorDetails) -> str:
    """What a file's author calls it: pydantic speaks of Python's types, and its message does not go with "want"."""
    message, context = detail["msg"], detail.get("ctx", {})
    match detail["type"]:
        case "too_short":
            return f"at least {context['min_length']} of them"
        case "too_long":
            return f"at most {context['max_length']} of them"
        case "string_too_short":
            return f"text, {context['min_length']} or more characters"
        case shape if shape in _SHAPES:
            return _SHAPES[shape]
    message = message.replace("String should match pattern ", "text that matches ").partition(", unable to parse")[0]
    for prefix in ("Value error, ", "want ", "Input should be ", "Input is not "):
        message = message.removeprefix(prefix)
    return f"a value {message}" if message.startswith(("greater than", "less than")) else message
