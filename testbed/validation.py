"""pydantic's errors as problems: the path into the file, what was got, what is wanted."""

from __future__ import annotations

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
