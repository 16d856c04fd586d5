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
            return Problem(where, _show(detail["input"]), _want(detail["msg"]))


_MISSING = "this key, which has to be there"


def _discriminator(context: dict[str, Any]) -> str:
    return str(context["discriminator"]).strip("'")


def _show(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _want(message: str) -> str:
    """pydantic's message without what does not go with "want"."""
    message = message.replace("String should match pattern ", "text that matches ").partition(", unable to parse")[0]
    for prefix in ("Value error, ", "want ", "Input should be ", "Input is not "):
        message = message.removeprefix(prefix)
    return f"a value {message}" if message.startswith(("greater than", "less than")) else message
