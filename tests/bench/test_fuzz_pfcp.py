"""A quarter of a million broken datagrams: only `RemoteProtocolError` escapes, nothing hangs, nothing grows."""

from __future__ import annotations

import logging
import resource
import signal
from collections.abc import Iterator

import pytest

from tests.support.pfcp_fuzz import associated_upf, is_refused, mutations, take

pytestmark = [pytest.mark.bench, pytest.mark.slow]

INPUTS = 200_000
TO_ENDPOINT = 50_000
CHUNK = 1000
HANGS_AFTER_S = 60
"""For a chunk, which takes a fifth of a second."""
GROWS_BY_KIB = 64 * 1024


@pytest.fixture(autouse=True)
def _watched() -> Iterator[None]:
    """No log, since every input would have its line; an alarm where a chunk does not end; a bound on the memory."""
    logging.disable(logging.CRITICAL)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    signal.alarm(0)
    logging.disable(logging.NOTSET)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWS_BY_KIB


def test_the_decoder_refuses_and_does_nothing_else() -> None:
    refused = 0
    for number, octets in enumerate(mutations(INPUTS, seed=29244)):
        if number % CHUNK == 0:
            signal.alarm(HANGS_AFTER_S)
        refused += is_refused(octets)
    assert INPUTS // 4 < refused < INPUTS


def test_an_endpoint_takes_anything() -> None:
    upf = associated_upf()
    for number, octets in enumerate(mutations(TO_ENDPOINT, seed=23501)):
        if number % CHUNK == 0:
            signal.alarm(HANGS_AFTER_S)
        take(upf, octets, now=number * 0.01)
