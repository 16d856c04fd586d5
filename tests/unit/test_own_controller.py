"""`controller` in a scenario: what it makes of the plan, and what is wrong with it before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.plan.model import Plan
from testbed.plan.processes import CONTROLLER, CONTROLLER_APP
from testbed.run import load_plan
from tests.support.scenario import OWN_CONTROLLER, RYU_SWITCH

TOPOLOGY = "topology: {name: sdwan, params: {sites: {edge: Shanghai, cloud: Guiyang}, transports: []}}\n"
LINKS = "[shanghai-cpe-edge, guiyang-cpe-cloud]"


def planned(folder: Path, text: str, app: str = RYU_SWITCH.read_text()) -> Plan:
    (folder / "mine.py").write_text(app)
    (folder / "lab.yml").write_text(f"name: mine\n{text}")
    return load_plan(folder / "lab.yml")[1]


def wrong(folder: Path, text: str, app: str = "") -> list[str]:
    with pytest.raises(InputError) as caught:
        planned(folder, text, app)
    return [str(problem) for problem in caught.value.problems]


def test_the_application_has_the_cpes_in_a_process_of_its_own() -> None:
    plan = load_plan(OWN_CONTROLLER)[1]
    app = next(process for process in plan.processes if process.name == CONTROLLER_APP)
    assert app.argv[3:] == ("--listen", "172.31.255.1:6653", "--file", str(RYU_SWITCH), "--")
    assert plan.controller == "tcp:172.31.255.1:6653"
    assert CONTROLLER not in [process.name for process in plan.processes]


def test_options_are_handed_on(tmp_path: Path) -> None:
    plan = planned(tmp_path, TOPOLOGY + "controller: {app: mine.py, options: [--observe-links]}\n")
    app = next(process for process in plan.processes if process.name == CONTROLLER_APP)
    assert app.argv[-4:] == ("--file", str(tmp_path / "mine.py"), "--", "--observe-links")


def test_the_routers_controller_is_beside_it_and_has_no_switch(tmp_path: Path) -> None:
    plan = planned(tmp_path, TOPOLOGY + "controller: {app: mine.py}\nsrv6: {}\n")
    argv = {process.name: process.argv for process in plan.processes}
    assert "--listen" not in argv[CONTROLLER]
    assert "--listen" in argv[CONTROLLER_APP]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            TOPOLOGY + "controller: {app: nowhere.py}",
            'controller.app: got "nowhere.py": No such file or directory; want',
        ),
        (TOPOLOGY + "controller: {}", "controller.app: got"),
        (TOPOLOGY + "controller: {app: 3}", "controller.app: got 3"),
        (
            f"{TOPOLOGY}sdwan: {{transports: {{vpn: {{links: {LINKS}}}}}}}\ncontroller: {{app: mine.py}}",
            "controller: got an app of one's own beside `sdwan`; want one of them",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(tmp_path: Path, text: str, said: str) -> None:
    assert [problem for problem in wrong(tmp_path, text) if problem.startswith(said)]


def test_a_topology_without_cpes(tmp_path: Path) -> None:
    (tmp_path / "pair.edges").write_text("app1 r1\nr1 app2\n")
    pair = "topology: {file: pair.edges, params: {roles: {app1: host, app2: host}}}\ncontroller: {app: mine.py}"
    want = 'want one with nodes of the role cpe (such as "sdwan")'
    assert wrong(tmp_path, pair) == [f"controller: got a topology without CPEs; {want}"]


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("def x(:\n", 'controller.app: got "mine.py", line 1: invalid syntax; want Python 3 code'),
        ("x = '\0'\n", 'controller.app: got "mine.py"'),
    ],
)
def test_what_is_no_python(tmp_path: Path, app: str, said: str) -> None:
    (found,) = wrong(tmp_path, TOPOLOGY + "controller: {app: mine.py}", app)
    assert found.startswith(said)
