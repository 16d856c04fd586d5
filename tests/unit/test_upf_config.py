"""Configuration of UPF and gNB: all problems at once, each with its path."""

from __future__ import annotations

from pathlib import Path

import pytest

from core_stub.config import load_config
from core_stub.gnb.config import GnbFile
from core_stub.upf.config import UpfFile
from testbed.errors import InputError

UPF = """
upf:
  pfcp: {server: [{address: 192.0.2.1}]}
  gtpu: {server: [{address: 192.0.2.2}]}
  session: [{subnet: 10.45.0.0/16, dnn: internet, dev: n6}]
  management: {socket: /tmp/upf.sock}
"""
GNB = """
gnb:
  name: gnb1
  gtpu: {server: [{address: 192.0.2.3}]}
  api: {address: 192.0.2.3}
  smf: {address: 192.0.2.9}
  ues: [{name: ue1, interface: ue1, mac: "02:00:00:00:00:01"}, {name: ue2, interface: ue2, mac: "02:00:00:00:00:02"}]
  management: {socket: /tmp/gnb.sock}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "nf.yaml"
    path.write_text(text)
    return path


def problems(tmp_path: Path, text: str, model: type[UpfFile] | type[GnbFile]) -> set[str]:
    with pytest.raises(InputError) as caught:
        load_config(written(tmp_path, text), model, {})
    return {problem.where for problem in caught.value.problems}


def test_defaults(tmp_path: Path) -> None:
    upf = load_config(written(tmp_path, UPF), UpfFile, {}).upf
    assert (upf.pfcp.server[0].port, upf.session[0].dev, upf.mtu) == (8805, "n6", 1500)
    gnb = load_config(written(tmp_path, GNB), GnbFile, {}).gnb
    assert (gnb.api.port, gnb.smf.port) == (7778, 7777)


def test_all_problems_of_a_upf_are_told(tmp_path: Path) -> None:
    text = (
        UPF.replace("192.0.2.1", "nowhere")
        .replace("10.45.0.0/16", "10.45.0.1/16")
        .replace("management", "managment")
        .replace("dev: n6", "dev: a-name-that-is-too-long")
    ) + "  mtu: 100\n"
    assert problems(tmp_path, text, UpfFile) == {
        "upf.pfcp.server[0].address",
        "upf.session[0].subnet",
        "upf.session[0].dev",
        "upf.mtu",
        "upf.managment",
        "upf.management",
    }


@pytest.mark.parametrize("other", ["{subnet: 10.45.1.0/24, dnn: ims}", "{subnet: 10.46.0.0/16, dnn: ims, dev: n7}"])
def test_pools_share_a_device_and_do_not_overlap(tmp_path: Path, other: str) -> None:
    assert problems(tmp_path, UPF.replace("dev: n6}]", f"dev: n6}}, {other}]"), UpfFile) == {"upf.session"}


def test_a_upf_without_a_pool_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, UPF.replace("[{subnet: 10.45.0.0/16, dnn: internet, dev: n6}]", "[]"), UpfFile) == {
        "upf.session"
    }


def test_a_gnb_refuses_two_ues_on_one_interface_and_a_bad_mac(tmp_path: Path) -> None:
    assert problems(tmp_path, GNB.replace("interface: ue2", "interface: ue1"), GnbFile) == {"gnb.ues"}
    assert problems(tmp_path, GNB.replace("02:00:00:00:00:02", "02:00"), GnbFile) == {"gnb.ues[1].mac"}


def test_a_file_that_is_no_mapping(tmp_path: Path) -> None:
    assert problems(tmp_path, "[1, 2]", UpfFile) == {"file"}
