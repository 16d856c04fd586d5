"""The report of a run: result.json, report.html and junit.xml out of a run record, and a table for the terminal.

render.py    record → the three files        result.py   the shape of result.json and its JSON Schema
html.py      report.html, with charts.py and map.py  (layout.py places nodes, routes.py follows packets)
paths.py     path proofs from the captures   timeline.py the events that a report relies on
overlay.py   what the overlay found and moved, with lanes.py; bands.py has windows over charts
junit.py     junit.xml                       terminal.py the table that `bearerlab run` prints
graph.py     `bearerlab graph`
"""

from testbed.report.render import render
from testbed.report.result import Result
from testbed.report.terminal import summary_table

__all__ = ["Result", "render", "summary_table"]
