"""pcapng files: those that Scapy writes, and blocks octet by octet."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.support.traffic_frames import frame, user_packet, write_pcapng
from traffic.pcapng import CaptureFileError, Packet, has_interface, read

FRAME = frame(user_packet("10.60.0.1", "203.0.113.10", 5000, 862, b"odd"))
NOON = 1_795_435_200


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str, resolution: int | None, link_type: int = 1) -> bytes:
    name = struct.pack(order + "HH", 2, 4) + b"gnb1"
    tsresol = b"" if resolution is None else struct.pack(order + "HHB3x", 9, 1, resolution)
    return block(order, 1, struct.pack(order + "HHI", link_type, 0, 256) + name + tsresol + bytes(4))


def packet(order: str, ticks: int, octets: bytes, number: int = 0) -> bytes:
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(octets), len(octets))
    return block(order, 6, head + octets + bytes(-len(octets) % 4))


def file(tmp_path: Path, *blocks: bytes) -> Path:
    path = tmp_path / "capture.pcapng"
    path.write_bytes(b"".join(blocks))
    return path


def test_file_that_scapy_wrote(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    write_pcapng(path, [(NOON + 0.25, FRAME), (NOON + 0.5, FRAME + b"x")])
    assert list(read(path)) == [
        Packet(NOON * 10**9 + 250_000_000, FRAME),
        Packet(NOON * 10**9 + 500_000_000, FRAME + b"x"),
    ]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("resolution", "ticks"), [(9, NOON * 10**9 + 7_000), (None, NOON * 10**6 + 7), (0x80 | 10, NOON * 1024)]
)
def test_byte_orders_and_time_resolutions(tmp_path: Path, order: str, resolution: int | None, ticks: int) -> None:
    path = file(tmp_path, section(order), interface(order, resolution), packet(order, ticks, FRAME))
    (read_back,) = read(path)
    assert read_back.frame == FRAME
    assert read_back.at == NOON * 10**9 + (0 if resolution == 0x8A else 7_000)


def test_each_interface_has_its_own_resolution(tmp_path: Path) -> None:
    interfaces = interface("<", 9) + interface("<", 6)
    path = file(tmp_path, section("<"), interfaces, packet("<", 5_000, FRAME, 0), packet("<", 5, FRAME, 1))
    assert [found.at for found in read(path)] == [5_000, 5_000]


def test_new_section_begins_anew(tmp_path: Path) -> None:
    first = section("<") + interface("<", 9) + packet("<", 1, FRAME)
    second = section(">") + interface(">", 6) + packet(">", 1, FRAME)
    assert [found.at for found in read(file(tmp_path, first, second))] == [1, 1_000]


def test_other_blocks_are_passed_over(tmp_path: Path) -> None:
    statistics = block("<", 5, bytes(12))
    path = file(tmp_path, section("<"), interface("<", 9), statistics, packet("<", 1, FRAME), statistics)
    assert len(list(read(path))) == 1


def test_capture_that_still_runs_may_be_cut_anywhere(tmp_path: Path) -> None:
    head = section("<") + interface("<", 9)
    whole = head + packet("<", 1, FRAME) + packet("<", 2, FRAME)
    found = [len(list(read(file(tmp_path, whole[:length])))) for length in range(len(whole) + 1)]
    assert found == sorted(found)
    assert found[-2:] == [1, 2]


def test_interface_is_there_when_its_block_is_whole(tmp_path: Path) -> None:
    head = section("<") + interface("<", 9)
    assert has_interface(file(tmp_path, head))
    assert not has_interface(file(tmp_path, head[:-1]))
    assert not has_interface(file(tmp_path, b""))
    assert not has_interface(tmp_path / "not there")


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"\xd4\xc3\xb2\xa1" + bytes(20), "begins with d4c3b2a1; want a pcapng file"),
        (b"\x0a\x0d\x0d\x0a" + bytes(20), "got byte-order magic 00000000; want a pcapng file"),
        (section("<") + interface("<", 9, link_type=113), "got link type 113; want Ethernet"),
        (section("<") + bytes(12), "got a block of 0 octets"),
        (section("<") + packet("<", 1, FRAME), "got a packet of interface 0; want one of the 0 described before it"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, octets: bytes, message: str) -> None:
    with pytest.raises(CaptureFileError, match=message):
        list(read(file(tmp_path, octets)))
