"""The SMF's configuration file: defaults, and every problem in one go."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from core_stub.smf.config import load
from core_stub.smf.session import ChargingRule, Rates
from testbed.errors import InputError
from tests.support.smf import MEC_FLOW, smf_config, smf_yaml

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
  mannagement: {socket: /run/smf.sock}
"""

BAD_PROBLEMS = """\
smf.pfcp.server[0].prot: got an unknown key; want a key that this network function has
smf.pfcp.client.upf[0].address: got "10.1.0.300"; want a valid IPv4 address
smf.pfcp.client.upf[0].role: got "anchor"; want 'psa' or 'ulcl'
smf.sbi.server[0].port: got 0; want a value greater than or equal to 1
smf.session[0].subnet: got "10.45.0.1/16"; want a valid IPv4 network
smf.session[0].qfi: got 64; want a value less than or equal to 63
smf.ulcl.guard: got 200; want a duration such as "9.9ms"
smf.mannagement: got an unknown key; want a key that this network function has"""


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
    pools.append({"subnet": "10.46.0.0/16", "dnn": "ims", "gateway": "10.47.0.1", "upf": "upf-moon"})
    descending = "10.45.0.9-10.45.0.3"
    pools[1]["range"] = ["10.45.0.9-10.45.0.20", "10.46.0.1-", descending, "-", "x-", "10.45.0.9"]
    wanted = "two addresses of 10.45.0.0/16 with a dash between, or one of them"
    flow = {"qfi": 1, "sdf": [MEC_FLOW]}
    pools.append({"subnet": "10.48.0.0/16", "dnn": "internet", "flows": [flow]})
    (tmp_path / "smf.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(InputError) as caught:
        load(tmp_path / "smf.yaml", {})
    assert [str(problem) for problem in caught.value.problems] == [
        'smf.pfcp.client.upf[2].address: got "10.1.0.9"; want an address that no other UPF has',
        'smf.pfcp.client.upf[2].name: got "upf-edge"; want a name that no other UPF has',
        'smf.session[1].subnet: got "10.45.0.0/16"; want no overlap with 10.45.0.0/29',
        *(
            f'smf.session[1].range: got "{text}"; want {wanted}'
            for text in ("10.46.0.1-", descending, "x-", "10.45.0.9")
        ),
        'smf.session[2].dnn: got "ims"; want a DNN that a UPF of smf.pfcp.client.upf anchors',
        'smf.session[2].upf: got "upf-moon"; want the name of a UPF of smf.pfcp.client.upf',
        'smf.session[2].gateway: got "10.47.0.1"; want an address of 10.46.0.0/16',
        "smf.session[3].flows: got a QFI twice; want each QFI once, and not the default flow's 1",
    ]


@pytest.mark.parametrize("text", ["", "- smf", "smf: [", "{smf: 1}"])
def test_what_is_no_configuration_is_said_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "smf.yaml").write_text(text)
    with pytest.raises(InputError, match=r"smf\.yaml: .*; want "):
        load(tmp_path / "smf.yaml", {})


OPEN5GS = """
logger:
  file: {path: /var/log/open5gs/smf.log}
global:
  max: {ue: 1024}
default: {tls: {server: {scheme: http}}}
smf:
  sbi:
    server: [{address: 127.0.0.4, port: 7777, advertise: smf.example.org}]
    client: {scp: [{uri: "http://127.0.0.200:7777"}]}
  pfcp:
    server: [{address: 127.0.0.4}]
    client:
      upf:
        - {address: 127.0.0.7, dnn: internet, tac: [1, 2]}
  gtpc: {server: [{address: 127.0.0.4}]}
  gtpu: {server: [{address: 127.0.0.4}]}
  metrics: {server: [{address: 127.0.0.4, port: 9090}]}
  session:
    - {subnet: 10.45.0.0/16, gateway: 10.45.0.1, range: 10.45.0.100-10.45.0.200}
    - {subnet: "2001:db8:cafe::/48", gateway: "2001:db8:cafe::1"}
  dns: [8.8.8.8, "2001:4860:4860::8888"]
  mtu: 1400
  ctf: {enabled: auto}
  freeDiameter: /etc/freeDiameter/smf.conf
  info:
    - s_nssai: [{sst: 1, dnn: [internet]}]
"""


def test_the_file_of_open5gs_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "smf.yaml").write_text(OPEN5GS)
    config = load(tmp_path / "smf.yaml", {})
    (upf,) = config.pfcp.client.upf
    assert (upf.label, upf.dnn) == ("127.0.0.7", ("internet",))
    assert [str(pool.subnet) for pool in config.session] == ["10.45.0.0/16", "2001:db8:cafe::/48"]
    assert (list(map(str, config.dns)), config.mtu) == (["8.8.8.8", "2001:4860:4860::8888"], 1400)
    assert str(config.session[0].pool().allocate()) == "10.45.0.100"
    assert config.management is None


def test_a_charging_rule_and_a_flow_become_values(tmp_path: Path) -> None:
    data = smf_yaml()
    rate = {"uplink": "1Mbit", "downlink": "2.5Mbit"}
    data["smf"]["session"][0] |= {
        "ambr": rate,
        "charging": {"rating_group": 7, "volume_quota": 1000},
        "flows": [{"qfi": 2, "five_qi": 1, "sdf": [MEC_FLOW], "gbr": rate, "mbr": rate}],
    }
    (pool,) = smf_config(tmp_path, data).session
    assert pool.ambr is not None
    assert pool.ambr.rates() == Rates(1000, 2500)
    assert pool.charging is not None
    assert pool.charging.rule() == ChargingRule(7, volume_quota=1000)
    flow = pool.flows[0].in_slot(1)
    assert (flow.slot, flow.qfi, flow.five_qi, flow.gbr, flow.charging) == (1, 2, 1, Rates(1000, 2500), None)


def test_the_file_of_the_guide_is_one(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs/guides/smf.md").read_text()
    (tmp_path / "smf.yaml").write_text(guide.partition("```yaml")[2].partition("```")[0])
    config = load(tmp_path / "smf.yaml", {})
    assert [upf.label for upf in config.pfcp.client.upf] == ["192.0.2.7", "edge"]
    assert config.session[0].flows[0].qfi == 2
