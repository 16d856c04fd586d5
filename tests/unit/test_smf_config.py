"""The SMF's configuration file: defaults, and every problem in one go."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from core_stub.smf.config import load
from testbed.errors import InputError
from tests.support.smf import smf_config, smf_yaml

BAD = """
smf:
  pfcp:
    server: [{address: 10.1.0.2, prot: 8805}]
    client:
      upf:
        - {name: upf-cloud, address: 10.1.0.300, role: anchor}
  sbi:
    server: [{address: 10.1.0.2, port: 0}]
  session:
    - {subnet: 10.45.0.1/16, qfi: 64}
  ulcl: {guard: 200}
"""

BAD_PROBLEMS = """\
smf.pfcp.server[0].prot: got an unknown key; want a key that this network function has
smf.pfcp.client.upf[0].address: got "10.1.0.300"; want a valid IPv4 address
smf.pfcp.client.upf[0].role: got "anchor"; want 'psa' or 'ulcl'
smf.sbi.server[0].port: got 0; want a value greater than or equal to 1
smf.session[0].subnet: got "10.45.0.1/16"; want a valid IPv4 network
smf.session[0].dnn: got nothing; want this key, which has to be there
smf.session[0].qfi: got 64; want a value less than or equal to 63
smf.management: got nothing; want this key, which has to be there
smf.ulcl.guard: got 200; want a duration such as "9.9ms\""""


def test_defaults(tmp_path: Path) -> None:
    config = smf_config(tmp_path)
    assert config.pfcp.server[0].port == 8805
    assert [(upf.label, upf.port) for upf in config.pfcp.client.upf] == [("upf-cloud", 8805), ("upf-edge", 8805)]
    assert config.ulcl.guard == 200


def test_only_a_psa_anchors_and_only_its_dnns(tmp_path: Path) -> None:
    cloud, edge = smf_config(tmp_path).pfcp.client.upf
    assert cloud.anchors("internet")
    assert not cloud.anchors("ims")
    assert not edge.anchors("internet")


def test_a_upf_of_open5gs_with_an_address_only_anchors_everything(tmp_path: Path) -> None:
    data = smf_yaml()
    data["smf"]["pfcp"]["client"]["upf"] = [{"address": "127.0.0.7"}]
    (tmp_path / "smf.yaml").write_text(yaml.safe_dump(data))
    (upf,) = load(tmp_path / "smf.yaml", {}).pfcp.client.upf
    assert upf.label == "127.0.0.7"
    assert upf.anchors("internet")


def test_all_problems_at_once(tmp_path: Path) -> None:
    path = tmp_path / "smf.yaml"
    path.write_text(BAD)
    with pytest.raises(InputError) as caught:
        load(path, {})
    assert "\n".join(map(str, caught.value.problems)) == BAD_PROBLEMS


def test_contradictions_all_at_once(tmp_path: Path) -> None:
    data = smf_yaml()
    upfs, pools = data["smf"]["pfcp"]["client"]["upf"], data["smf"]["session"]
    upfs.append({"name": "upf-edge", "address": "10.1.0.9", "role": "ulcl"})
    pools.append({"subnet": "10.45.0.0/16", "dnn": "internet"})
    pools.append({"subnet": "10.46.0.0/16", "dnn": "ims", "gateway": "10.47.0.1"})
    (tmp_path / "smf.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(InputError) as caught:
        load(tmp_path / "smf.yaml", {})
    assert [str(problem) for problem in caught.value.problems] == [
        'smf.pfcp.client.upf[2].address: got "10.1.0.9"; want an address that no other UPF has',
        'smf.pfcp.client.upf[2].name: got "upf-edge"; want a name that no other UPF has',
        'smf.session[1].dnn: got "internet"; want each DNN once',
        'smf.session[1].subnet: got "10.45.0.0/16"; want no overlap with 10.45.0.0/29',
        'smf.session[2].dnn: got "ims"; want a DNN that a UPF of smf.pfcp.client.upf anchors',
        'smf.session[2].gateway: got "10.47.0.1"; want an address of 10.46.0.0/16',
    ]


@pytest.mark.parametrize("text", ["", "- smf", "smf: [", "{smf: 1}"])
def test_what_is_no_configuration_is_said_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "smf.yaml").write_text(text)
    with pytest.raises(InputError, match=r"smf\.yaml: .*; want "):
        load(tmp_path / "smf.yaml", {})
