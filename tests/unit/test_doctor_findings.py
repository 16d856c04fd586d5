"""What the doctor says: its table, its JSON, and the error of a run that needs what is not there."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from testbed import doctor
from testbed.doctor import probing
from testbed.doctor.capability import NEEDS_ROOT, AbsentError, Capability, Check
from testbed.doctor.programs import module, native, program, run
from testbed.doctor.table import CHECKS
from testbed.errors import HostError

NETEM = Capability("netem", False, "Specified qdisc kind is unknown.", "link engine netem", "get the modules", False)
OVS = Capability("ovs", False, "no program ovs-vsctl", "CPEs", "apt install openvswitch-switch", True)
VETH = Capability("veth", True, "works", "every link", "a kernel that has it", True)


def works() -> str:
    return "1.2"


def refuses() -> str:
    raise AbsentError("no such thing")


def is_forbidden() -> str:
    raise PermissionError(1, "Operation not permitted")


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"good": works, "bad": refuses, "closed": is_forbidden}
    table = {name: Check(name, probe, f"{name} users", f"get {name}", name == "bad") for name, probe in found.items()}
    monkeypatch.setattr(probing, "CHECKS", table)


def shown(*capabilities: Capability, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(doctor.render(capabilities))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_table_has_a_line_for_each_capability() -> None:
    heading, *lines = shown(VETH, OVS, NETEM)
    assert heading.split() == ["capability", "needed", "by", "finding"]
    assert [line.split()[:2] for line in lines[:3]] == [["veth", "yes"], ["ovs", "MISSING"], ["netem", "no"]]
    assert lines[0].endswith("every link         works")


def test_the_real_table_fits_80_columns_in_plain_text() -> None:
    absent = [check.found(present=False, detail="x" * 200) for check in CHECKS.values()]
    _, *lines = shown(*absent, width=80)
    table, remedies = lines[: len(CHECKS)], lines[len(CHECKS) :]
    for line, capability in zip(table, absent, strict=True):
        assert line.startswith(f"{capability.name} ")
        assert f" {capability.needed_by}" in line
        assert len(line) <= 80
    assert all(any(line.startswith(f"{capability.remedy} ") for line in remedies) for capability in absent)
    assert all(len(line) <= 80 for line in remedies)


def test_a_remedy_is_below_the_table_once_in_one_piece_with_what_it_is_for() -> None:
    extra = "apt install linux-modules-extra-$(uname -r)"
    netem, vrf = (Capability(name, False, "", "links", extra, False) for name in ("netem", "vrf"))
    assert shown(netem, VETH, vrf, width=80)[-1].split("  ") == [extra, "netem, vrf"]


def test_what_needs_root_has_no_remedy_yet() -> None:
    assert shown(Capability("tun", False, NEEDS_ROOT, "UPF", "modprobe tun", True))[-1].endswith(NEEDS_ROOT)


def test_details_are_not_markup() -> None:
    assert shown(Capability("veth", True, "[red]x[/]", "links", "", True))[1].endswith("[red]x[/]")


def test_an_empty_table_has_a_heading_only() -> None:
    assert len(shown()) == 1


def test_json_has_every_field() -> None:
    assert json.loads(doctor.to_json([OVS])) == [
        {
            "name": "ovs",
            "present": False,
            "detail": "no program ovs-vsctl",
            "needed_by": "CPEs",
            "remedy": "apt install openvswitch-switch",
            "required": True,
        }
    ]


def test_only_required_ones_are_missing_for_good() -> None:
    assert doctor.missing_required([VETH, OVS, NETEM]) == (OVS,)


@pytest.mark.usefixtures("checks")
def test_probing_gives_details_and_reasons() -> None:
    found = {capability.name: (capability.present, capability.detail) for capability in doctor.probe(["good", "bad"])}
    assert found == {"good": (True, "1.2"), "bad": (False, "no such thing")}
    assert doctor.present("good")
    assert not doctor.present("bad")


@pytest.mark.usefixtures("checks")
@pytest.mark.parametrize(("user", "detail"), [(0, "Operation not permitted"), (1000, "needs root to be tried")])
def test_what_is_forbidden_says_why(monkeypatch: pytest.MonkeyPatch, user: int, detail: str) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    (closed,) = doctor.probe(["closed"])
    assert (closed.present, closed.detail) == (False, detail)


@pytest.mark.usefixtures("checks")
def test_require_is_silent_about_what_is_there() -> None:
    doctor.require(["good"])


@pytest.mark.usefixtures("checks")
def test_require_names_the_one_that_is_missing() -> None:
    with pytest.raises(HostError) as caught:
        doctor.require(["good", "bad"])
    assert caught.value.exit_code == 3
    assert caught.value.capability == "bad"
    assert str(caught.value) == "bad: no such thing (needed by bad users); get bad"


@pytest.mark.usefixtures("checks")
def test_require_names_every_one_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(HostError) as caught:
        doctor.require(["bad", "good", "closed"])
    assert str(caught.value) == (
        "bad, closed: missing on this host\n"
        "  bad: no such thing (needed by bad users); get bad\n"
        "  closed: Operation not permitted (needed by closed users); get closed"
    )


def test_require_refuses_a_name_that_the_doctor_does_not_know() -> None:
    with pytest.raises(KeyError, match="netmem"):
        doctor.require(["netmem"])


def test_a_program_is_run_for_its_version() -> None:
    assert program(("echo", "tool version 4.0.17 (Git)"))() == "4.0.17"
    assert program(("true",))() == "runs"
    with pytest.raises(AbsentError, match="no program no-such-tool"):
        program(("true",), ("no-such-tool", "-v"))()


def test_a_failing_program_gives_its_first_complaint() -> None:
    with pytest.raises(AbsentError, match=r"^Unknown device type\.$"):
        run(("sh", "-c", "echo 'Error: Unknown device type.'; echo more; exit 2"))
    with pytest.raises(AbsentError, match="false ended with 1"):
        run(("false",))


def test_a_module_is_found_or_not() -> None:
    assert module("json.decoder")() == "importable"
    for missing in ("no_such_module", "no_such.module"):
        with pytest.raises(AbsentError, match="not importable"):
            module(missing)()


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "not built"), ("#!/bin/sh\necho no such library >&2; exit 127\n", "no such library"), ("", "ended with 0")],
)
def test_a_native_program_that_does_not_run_is_missing(tmp_path: Path, content: str | None, reason: str) -> None:
    binary = tmp_path / "wire"
    if content is not None:
        binary.write_text(content or "#!/bin/sh\n")
        binary.chmod(0o755)
    with pytest.raises(AbsentError, match=reason):
        native(binary.name, tmp_path)()


def test_what_could_not_be_tried_is_not_called_missing() -> None:
    (line,) = shown(Capability("veth", False, NEEDS_ROOT, "links", "a kernel that has it", True))[1:]
    assert line.split() == ["veth", "?", "links", "needs", "root", "to", "be", "tried"]
