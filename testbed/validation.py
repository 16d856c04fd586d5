"""pydantic's errors as problems: the path into the file, what was got, what is wanted."""

from __future__ import annotations

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
    where = path_text(detail["loc"] if location is None else location) or "file"
    match detail["type"]:
        case "extra_forbidden":
            return Problem(where, "an unknown key", known_keys)
        case "missing":
            return Problem(where, "nothing", "this key, which has to be there")
        case _:
            return Problem(where, _show(detail["input"]), _want(detail["msg"]))


def _show(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _want(message: str) -> str:
    """pydantic's message without what does not go with "want"."""
    message = message.replace("String should match pattern ", "text that matches ")
    for prefix in ("Value error, ", "want ", "Input should be ", "Input is not "):
        message = message.removeprefix(prefix)
    return message
