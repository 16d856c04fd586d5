"""The files that a report consists of, made of a record made by hand."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from testbed.errors import InputError
from testbed.record import RunRecord
from testbed.report import Result, render, result
from testbed.report.html import html_text
from tests.support.record import ZERO, local_breakout, shipped

SCHEMA = Path(result.__file__).with_name("result.schema.json")
VOID = {"meta", "br", "link", "img", "hr", "input", "path", "rect", "line", "circle"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    directory = tmp_path_factory.mktemp("runs") / "good"
    local_breakout(directory)
    return directory, render(directory)


@pytest.fixture(scope="module")
def invalid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    record = local_breakout(tmp_path_factory.mktemp("runs") / "invalid")
    record.event("invalid", t=ZERO + 12, reason="smf ended with exit code 1", process="smf", log_tail=["boom <&>"])
    return record.directory, render(record.directory)


def test_schema_file_is_up_to_date() -> None:
    remedy = f"write testbed.report.result.schema_text() to {SCHEMA}"
    assert SCHEMA.read_text(encoding="utf-8") == result.schema_text(), remedy


def test_result_is_valid_by_the_schema_and_has_the_design_s_keys(run: tuple[Path, Result]) -> None:
    directory, _ = run
    data = json.loads((directory / "result.json").read_text())
    jsonschema.validate(data, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert {"scenario", "seed", "valid", "passed", "provenance", "links", "measurements", "events"} < set(data)
    assert data["expectations"][0].keys() == {"expr", "value", "bound", "unit", "passed"}
    assert data["measurements"]["before.ue1-portal"]["rtt_ms"].keys() >= {"p50", "p95", "p99"}
    assert (data["valid"], data["passed"], data["reason"]) == (True, True, None)


def test_schema_refuses_what_is_not_a_result(run: tuple[Path, Result]) -> None:
    data = run[1].model_dump(mode="json")
    data["measurements"]["before.ue1-portal"] = {"rtt": 1}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_an_expectation_that_does_not_hold_fails_the_run(tmp_path: Path) -> None:
    record = local_breakout(tmp_path)
    scenario = record.read_json("scenario.json")
    scenario["expect"] = ["edge.ue1-portal.rtt_ms.p50 < 1 ms", "edge.ue1-archive.loss < 1 %"]
    record.write_json("scenario.json", scenario)
    failed = render(tmp_path)
    assert (failed.valid, failed.passed) == (True, False)
    suite = ET.parse(tmp_path / "junit.xml").getroot()[0]
    messages = [failure.attrib["message"] for failure in suite.iter("failure")]
    assert messages == ["got 2.66 ms; want edge.ue1-portal.rtt_ms.p50 < 1 ms (bound 1.00 ms)"]
    assert 'class="failed"' in (tmp_path / "report.html").read_text()


def test_junit_has_a_case_for_each_expectation_and_says_where_it_comes_from(run: tuple[Path, Result]) -> None:
    directory, outcome = run
    suite = ET.parse(directory / "junit.xml").getroot()[0]
    assert [case.attrib["name"] for case in suite.iter("testcase")] == [e.expr for e in outcome.expectations]
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]) == ("17", "0", "0")
    properties = {p.attrib["name"]: p.attrib["value"] for p in suite.iter("property")}
    assert (properties["commit"], properties["kernel"], properties["seed"]) == ("0123456789abcdef", "6.18.0", "1")
    assert json.loads(properties["config"])["name"] == "local-breakout"


def test_an_invalid_run_is_an_error_whatever_was_measured(invalid: tuple[Path, Result]) -> None:
    directory, outcome = invalid
    assert (outcome.valid, outcome.passed, outcome.reason) == (False, False, "smf ended with exit code 1")
    (case,) = ET.parse(directory / "junit.xml").getroot().iter("testcase")
    assert case[0].tag == "error"
    assert case[0].attrib["message"] == "smf ended with exit code 1"


def test_an_invalid_run_s_page_says_why_and_shows_the_log(invalid: tuple[Path, Result]) -> None:
    page = (invalid[0] / "report.html").read_text()
    assert "smf ended with exit code 1" in page
    assert "boom &lt;&amp;&gt;" in page
    assert "✓ Passed" not in page


def test_a_run_that_died_before_its_first_window_has_a_report_too(tmp_path: Path) -> None:
    good = local_breakout(tmp_path / "good")
    record = RunRecord.create(tmp_path / "dead")
    for name in ("scenario.json", "plan.json"):
        record.write_json(name, good.read_json(name))
    record.event("invalid", reason="upf-edge was not ready within 10 s", process="upf-edge", log_tail=[])
    outcome = render(record.directory)
    assert not outcome.valid
    assert outcome.measurements == {}
    assert all(expectation.value is None for expectation in outcome.expectations)
    assert "not measured" in (record.directory / "report.html").read_text()


def test_a_run_that_was_cut_short_is_invalid(tmp_path: Path) -> None:
    record = local_breakout(tmp_path / "run")
    events = record.directory / "events.jsonl"
    events.write_text("".join(line for line in events.open() if '"finished"' not in line))
    outcome = render(record.directory)
    assert (outcome.valid, outcome.passed, outcome.reason) == (False, False, "the run was cut short")


def test_a_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no plan\.json"):
        render(tmp_path)


class Balanced(HTMLParser):
    """Counts tags that are never closed or never opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_page_is_well_formed_and_needs_no_network(run: tuple[Path, Result]) -> None:
    page = (run[0] / "report.html").read_text()
    parser = Balanced()
    parser.feed(page)
    assert (parser.open, parser.wrong) == ([], [])
    without_namespace = page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?://|<script|<link|<img|@import|url\(", without_namespace)


def test_page_shows_numbers_paths_and_every_event_but_readings(run: tuple[Path, Result]) -> None:
    page = (run[0] / "report.html").read_text()
    assert "17 of 17 expectations hold" in page
    assert "within 10 % of 24.3 ms" in page
    assert "switch n3 to ulcl" in page
    assert "62 % busy, 3.1 % taken by the hypervisor" in page
    assert "gnb1 → upf-edge" in page
    assert page.count("<h2>Close-up: ") == 2
    assert f"{len([e for e in run[1].events if e['kind'] != 'flow'])} events" in page


def test_page_is_the_same_for_the_same_record(run: tuple[Path, Result]) -> None:
    directory, outcome = run
    again = html_text(outcome, RunRecord.open(directory), *shipped())
    assert again == (directory / "report.html").read_text()
