"""What we put on N4 is dissected by tshark without a malformed packet and without an expert's remark."""

from __future__ import annotations

from pathlib import Path

import pytest

from core_stub.pfcp import codec
from tests.support.pfcp import dissect
from tests.support.pfcp_samples import SAMPLES

pytestmark = pytest.mark.interop


def test_tshark_finds_nothing_wrong(tmp_path: Path) -> None:
    datagrams = [codec.encode(message, number) for number, message in enumerate(SAMPLES)]
    found = dissect(tmp_path / "samples.pcap", datagrams)
    assert len(found) == len(SAMPLES)
    for message, fields in zip(SAMPLES, found, strict=True):
        assert fields["pfcp.msg_type", str(message.message_type)] == 1
        assert [field for field in fields if field[0].startswith(("_ws.malformed", "_ws.expert"))] == []


def test_tshark_would_find_something_wrong(tmp_path: Path) -> None:
    datagram = bytearray(codec.encode(SAMPLES[0], 1))
    datagram[-5] = 9  # the IE is longer than the message
    (fields,) = dissect(tmp_path / "broken.pcap", [bytes(datagram)])
    assert any(name.startswith("_ws.malformed") for name, _ in fields)


def test_tshark_reads_several_messages_in_one_datagram(tmp_path: Path) -> None:
    first = bytearray(codec.encode(SAMPLES[0], 1))
    first[0] |= 0x04
    (fields,) = dissect(tmp_path / "two.pcap", [bytes(first) + codec.encode(SAMPLES[1], 2)])
    assert {fields["pfcp.seqno", "1"], fields["pfcp.seqno", "2"]} == {1}
