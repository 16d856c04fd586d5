"""The stylesheets beside this module: colours.css (light and dark), drawing.css for SVG, report.css for the page."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup


def stylesheet(*names: str) -> Markup:
    """The text of the named sheets, one after the other."""
    return Markup("".join((Path(__file__).parent / f"{name}.css").read_text(encoding="utf-8") for name in names))
