"""The benchmark of the codec: its figures are there, and what it measures is what it says."""

from __future__ import annotations

from core_stub.pfcp import codec
from core_stub.pfcp.codec import reference
from testbed.bench.pfcp_codec import codec_figures, establishment


def test_it_answers_with_its_figures_and_their_baselines() -> None:
    figures = {figure.name: figure for figure in codec_figures(rounds=1, sessions=5)}
    assert set(figures) == {"codec_encode_us", "codec_decode_us", "codec_speedup_over_pycrate"}
    encode, decode = figures["codec_encode_us"], figures["codec_decode_us"]
    assert min(encode.value, decode.value, encode.baseline or 0, decode.baseline or 0) > 0
    assert figures["codec_speedup_over_pycrate"].value > 0


def test_both_sides_make_the_same_octets_of_sessions_that_differ() -> None:
    datagrams = [codec.encode(establishment(number), 1) for number in range(3)]
    assert len(set(datagrams)) == 3
    for datagram in datagrams:
        assert reference.build(reference.parse(datagram)) == datagram
