"""A topology from a plain edge list: one link a line, `a b`, and if wanted its length and its tier.

# the aggregation ring
agg1 agg2 12km metro
agg2 pe1  80km
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from testbed.errors import InputError, Problem
from testbed.graph import Graph, Tier
from topologies.importers import Edge, ImportParams, Vertex, WrongValueError, distance_km, imported, tier


def read_edge_list(path: Path, params: ImportParams) -> Graph:
    """The graph in the file at `path`: words apart by blanks, commas or semicolons; `#` begins a comment.

    InputError with all problems, each with its line; ParameterError for roles of nodes that are not there.
    """
    edges: list[Edge] = []
    problems: list[Problem] = []
    lines: dict[frozenset[str], int] = {}
    for number, words in _rows(path):
        try:
            edge = _edge(words, params.tier)
            first = lines.setdefault(frozenset((edge.a, edge.b)), number)
            if first != number:
                raise WrongValueError(
                    f'the link "{edge.a}" to "{edge.b}" of line {first}', "one link between two nodes"
                )
            edges.append(edge)
        except WrongValueError as error:
            problems.append(Problem(f"line {number}", error.got, error.want))
    if problems:
        raise InputError(str(path), problems)
    labels = dict.fromkeys(end for edge in edges for end in (edge.a, edge.b))
    return imported(path, [Vertex(label) for label in labels], edges, params)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number → words, of lines that have any."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(str(path), [Problem("file", error.strerror or str(error), "a readable file")]) from error
    except UnicodeDecodeError as error:
        raise InputError(str(path), [Problem("file", "bytes that are not UTF-8", "a text file")]) from error
    for number, line in enumerate(text.splitlines(), 1):
        if words := re.findall(r"[^\s,;]+", line.partition("#")[0]):
            yield number, words


def _edge(words: list[str], default: Tier) -> Edge:
    if not 2 <= len(words) <= 4:
        raise WrongValueError(f'"{" ".join(words)}"', 'two nodes, then a distance and a tier: "a b 80km metro"')
    a, b, *more = words
    if a == b:
        raise WrongValueError(f'both ends at "{a}"', "two nodes")
    # A length begins with a digit, and no tier does.
    lengths = [word for word in more if word[0].isdigit()]
    tiers = [word for word in more if word not in lengths]
    if len(lengths) > 1 or len(tiers) > 1:
        raise WrongValueError(f'"{" ".join(more)}"', "one distance and one tier")
    return Edge(a, b, distance_km(lengths[0]) if lengths else 0.0, tier(tiers[0]) if tiers else default)
