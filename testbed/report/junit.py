"""junit.xml: a test case for each expectation; a run that is not valid is one error."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from testbed.report.formats import quantity
from testbed.report.result import ExpectationResult, Result


def junit_text(result: Result, config: str) -> str:
    """The XML of a result; `config` is the scenario as JSON."""
    tests = result.expectations if result.valid else []
    failures = sum(not expectation.passed for expectation in tests)
    counts = {
        "tests": str(len(tests) or 1),
        "failures": str(failures),
        "errors": "0" if result.valid else "1",
    }
    root = ET.Element("testsuites", counts)
    suite = ET.SubElement(root, "testsuite", {"name": result.scenario, **counts})
    properties = ET.SubElement(suite, "properties")
    for name in ("commit", "kernel"):
        _property(properties, name, str(result.provenance.get(name, "")))
    _property(properties, "seed", str(result.seed))
    _property(properties, "config", config)
    for expectation in tests:
        _case(suite, result.scenario, expectation)
    if not result.valid:
        case = ET.SubElement(suite, "testcase", {"classname": result.scenario, "name": "run"})
        ET.SubElement(case, "error", {"message": result.reason or "the run is invalid"})
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _property(properties: ET.Element, name: str, value: str) -> None:
    ET.SubElement(properties, "property", {"name": name, "value": value})


def _case(suite: ET.Element, scenario: str, expectation: ExpectationResult) -> None:
    case = ET.SubElement(suite, "testcase", {"classname": scenario, "name": expectation.expr})
    if not expectation.passed:
        measured = quantity(expectation.value, expectation.unit)
        message = f"got {measured}; want {expectation.expr} (bound {quantity(expectation.bound, expectation.unit)})"
        ET.SubElement(case, "failure", {"message": message})
