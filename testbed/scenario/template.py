"""Jinja2 and YAML: a file's text to plain data, or an InputError with file and line.

A file whose name ends in `.j2` is a Jinja2 template first; a variable that is not given is an error, never empty text.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError

from testbed.errors import InputError, Problem

SET = "give it with --set NAME=VALUE"


def read_data(path: Path, variables: Mapping[str, Any], *, hint: str = SET) -> Any:
    """The data in the YAML file at `path`, rendered first if it is a template; InputError for what cannot be read.

    `hint` says how a variable is given that a template wants.
    """
    try:
        text = render(path, variables, hint=hint) if path.suffix == ".j2" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(str(path), [Problem("file", error.strerror or str(error), "a readable file")]) from error
    except UnicodeDecodeError as error:
        raise InputError(str(path), [Problem("file", "bytes that are not UTF-8", "a YAML text file")]) from error
    except ValueError as error:
        raise InputError(repr(str(path)), [Problem("file", str(error), "a path")]) from error
    return parse_yaml(str(path), text)


def render(path: Path, variables: Mapping[str, Any], *, hint: str = SET) -> str:
    """The text of the template at `path` with `variables`; includes are looked up beside it."""
    environment = Environment(
        loader=FileSystemLoader(path.parent), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    try:
        return environment.get_template(path.name).render(variables)
    except TemplateSyntaxError as error:
        problem = Problem(f"line {error.lineno}", error.message or "a syntax error", "a valid Jinja2 template")
        raise InputError(error.filename or str(path), [problem]) from error
    except UndefinedError as error:
        line = _template_line(error, path)
        problem = Problem(f"line {line}", error.message or "", "every variable given", hint)
        raise InputError(str(path), [problem]) from error
    except TemplateError as error:
        raise InputError(str(path), [Problem("template", str(error), "a valid Jinja2 template")]) from error
    except Exception as error:
        # An expression of a template can raise whatever Python can, such as ZeroDivisionError.
        where = f"line {_template_line(error, path)}"
        raise InputError(
            str(path), [Problem(where, f"{type(error).__name__}: {error}", "an expression that has a value")]
        ) from error


def _template_line(error: BaseException, path: Path) -> int:
    """The line of the template where `error` arose: Jinja2 rewrites the traceback so that it names the template."""
    line, frame = 0, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == str(path):
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


class _UniqueKeyLoader(yaml.SafeLoader):
    """SafeLoader takes the last of two equal keys without a word; this one collects them."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.problems: list[Problem] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    where = f"line {key_node.start_mark.line + 1}"
                    self.problems.append(Problem(where, f'the name "{key}" a second time', "names used once"))
                seen.add(key)
        return super().construct_mapping(node, deep)


def parse_yaml(source: str, text: str) -> Any:
    """The data in `text`; InputError for what is not YAML and for names used twice, with the line."""
    try:
        loader = _UniqueKeyLoader(text)
        data = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "file"
        raise InputError(source, [Problem(where, error.problem or "a syntax error", "valid YAML")]) from error
    except yaml.YAMLError as error:
        raise InputError(source, [Problem("file", str(error).splitlines()[0], "valid YAML")]) from error
    except (ValueError, AttributeError, RecursionError) as error:
        # PyYAML lets out what its constructors raise, as for the date 2024-13-45.
        raise InputError(source, [Problem("file", str(error), "values that can be read")]) from error
    if loader.problems:
        raise InputError(source, loader.problems)
    return data
