"""Configuration of UPF and gNB: all problems at once, each with its path."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from core_stub.config import load_config
from core_stub.gnb.config import GnbFile
from core_stub.sdf import parse_flow_description
from core_stub.upf.config import UpfFile
from core_stub.upf.networks import DataNetwork
from core_stub.upf.predefined import PredefinedRule
from core_stub.upf.userplane.n6 import N6Network
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
    }


def test_pools_do_not_overlap(tmp_path: Path) -> None:
    other = "{subnet: 10.45.1.0/24, dnn: ims}"
    assert problems(tmp_path, UPF.replace("dev: n6}]", f"dev: n6}}, {other}]"), UpfFile) == {"upf.session"}


def test_pools_by_device(tmp_path: Path) -> None:
    others = "{subnet: 10.46.0.0/16, dnn: ims, dev: n7}, {subnet: 10.47.0.0/16, gateway: 10.47.0.1, dnn: iot, dev: n6}"
    upf = load_config(written(tmp_path, UPF.replace("dev: n6}]", f"dev: n6}}, {others}]")), UpfFile, {}).upf
    assert upf.n6_networks == (
        N6Network("n6", (IPv4Network("10.45.0.0/16"), IPv4Network("10.47.0.0/16")), (IPv4Address("10.47.0.1"),)),
        N6Network("n7", (IPv4Network("10.46.0.0/16"),)),
    )


OPEN5GS = """
logger:
  file:
    path: /var/log/open5gs/upf.log
global:
  max:
    ue: 1024
default:
parameter:
max:
time:
upf:
  pfcp:
    server:
      - address: 127.0.0.7
    client:
#      smf:     #  UPF PFCP Client try to associate SMF PFCP Server
#        - address: 127.0.0.4
  gtpu:
    server:
      - address: 127.0.0.7
  session:
    - subnet: 10.45.0.0/16
      gateway: 10.45.0.1
    - subnet: 2001:db8:cafe::/48
      gateway: 2001:db8:cafe::1
  metrics:
    server:
      - address: 127.0.0.7
        port: 9090
"""


def test_the_file_of_open5gs_is_taken_as_it_comes(tmp_path: Path) -> None:
    upf = load_config(written(tmp_path, OPEN5GS), UpfFile, {}).upf
    assert upf.data_networks == (DataNetwork(IPv4Network("10.45.0.0/16"), "ogstun", None, IPv4Address("10.45.0.1")),)
    assert (upf.management, upf.pfcp.peers, upf.pfcp.allowed) == (None, (), None)


def test_associations_are_for_configured_peers(tmp_path: Path) -> None:
    def allowed(pfcp: str) -> frozenset[str] | None:
        text = UPF.replace("{server: [{address: 192.0.2.1}]}", f"{{server: [{{address: 192.0.2.1}}], {pfcp}}}", 1)
        return load_config(written(tmp_path, text), UpfFile, {}).upf.pfcp.allowed

    smf = "client: {smf: [{address: 192.0.2.9}]}"
    assert allowed(smf) == frozenset({"192.0.2.9"})
    assert allowed("accept: [192.0.2.8]") == frozenset({"192.0.2.8"})
    assert allowed(f"{smf}, accept: [192.0.2.8]") == frozenset({"192.0.2.8", "192.0.2.9"})
    assert allowed(f"{smf}, accept: any") is None
    assert problems(tmp_path, UPF.replace("pfcp: {", "pfcp: {accept: [nobody], "), UpfFile) == {"upf.pfcp.accept"}


def test_applications_and_predefined_rules(tmp_path: Path) -> None:
    flows = 'flows: ["permit out 17 from any 53 to assigned"]'
    text = f"""{UPF}
  applications: [{{id: dns, {flows}}}]
  predefined_rules:
    - {{name: no-dns, precedence: 10, {flows}, gate: closed}}
    - {{name: slow, precedence: 20, mbr: {{uplink: 1Mbit, downlink: 5Mbit}}}}
    - {{name: snail, precedence: 30, mbr: {{uplink: 500bit}}}}
"""
    upf = load_config(written(tmp_path, text), UpfFile, {}).upf
    dns = (parse_flow_description("permit out 17 from any 53 to assigned"),)
    assert upf.application_filters == {"dns": dns}
    assert [rule.rule() for rule in upf.predefined_rules] == [
        PredefinedRule("no-dns", 10, dns, is_open=False),
        PredefinedRule("slow", 20, (), True, 1000, 5000),
        # 0 would be no limit.
        PredefinedRule("snail", 30, (), True, 1, None),
    ]
    assert problems(tmp_path, text.replace("permit", "deny"), UpfFile) == {
        "upf.applications[0].flows",
        "upf.predefined_rules[0].flows",
    }


def test_a_upf_without_a_pool_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, UPF.replace("[{subnet: 10.45.0.0/16, dnn: internet, dev: n6}]", "[]"), UpfFile) == {
        "upf.session"
    }


def test_a_gnb_refuses_two_ues_on_one_interface_and_a_bad_mac(tmp_path: Path) -> None:
    assert problems(tmp_path, GNB.replace("interface: ue2", "interface: ue1"), GnbFile) == {"gnb.ues"}
    assert problems(tmp_path, GNB.replace("02:00:00:00:00:02", "02:00"), GnbFile) == {"gnb.ues[1].mac"}


def test_a_file_that_is_no_mapping(tmp_path: Path) -> None:
    assert problems(tmp_path, "[1, 2]", UpfFile) == {"file"}
