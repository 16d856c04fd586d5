"""PFCP by pycrate: the oracle that the codec's tests compare with, and the baseline of its benchmark.

It takes milliseconds a message, is not safe in threads, and is not used to speak to anybody.
"""

from __future__ import annotations

from pycrate_core.utils import PycrateErr
from pycrate_mobile import TS29244_PFCP as PYCRATE


def dissected_again(datagram: bytes) -> bytes:
    """What pycrate writes after it has read a message; ValueError if it finds something wrong with it."""
    try:
        message, error = PYCRATE.parse_PFCP(datagram)
    except PycrateErr as failure:
        raise ValueError(f"pycrate cannot read {datagram.hex()}: {failure}") from failure
    if error:
        raise ValueError(f"pycrate finds error {error} in {datagram.hex()}")
    octets: bytes = message.to_bytes()
    return octets
