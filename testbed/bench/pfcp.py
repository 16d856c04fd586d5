"""Life cycles of PFCP sessions (establish, modify, delete) against our UPF, over a link as it is and over one that loses.

The UPF is a process of its own in one namespace, the requests come from this one in another: the SMF's own messages on
its own PFCP node. Latency is that of a whole life cycle, three requests one after the other. The baseline of a rate is
the rate of heartbeats to the same UPF, three for each life cycle: all that is not about sessions.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TypeVar

import yaml

from core_stub.pfcp.ies import Cause, FTeid, InterfaceType, NodeId
from core_stub.pfcp.messages import SessionEstablishmentResponse, SessionRequest, SessionResponse
from core_stub.pfcp.udp import PfcpNode
from core_stub.smf import rules
from core_stub.smf.session import CpEnd, N4Session, SmContext
from core_stub.smf.session import SessionRequest as PduSessionRequest
from testbed import netns
from testbed.bench.figures import Bench, Figure, watched_host
from testbed.bench.link import percentile
from testbed.bench.pairs import LINK, VETH, Pairs, pairs
from testbed.bench.pfcp_heartbeats import heartbeats_per_s
from testbed.errors import RunInvalidError
from testbed.lab.processes import Command
from testbed.links.profile import LinkProfile

SESSIONS = (1, 1_000, 5_000, 20_000)
"""Sessions that are there while life cycles go by."""

LOSS = 0.05
PORT = 8805
POOL = IPv4Network("10.45.0.0/16")

_OPEN_PER_S = 300
_WINDOW = 32
_LOSSY_WINDOW = 2_000
"""Life cycles at a time: enough that those who wait for T1 do not hold up the rest."""

_HOLDING_S = 11.0
"""As long as a UPF keeps its answers for duplicates, and a little more."""

T = TypeVar("T")


@dataclass(frozen=True)
class Effort:
    """How much to measure: seconds of each rate, and the numbers of sessions."""

    seconds: float = 5.0
    sessions: tuple[int, ...] = SESSIONS
    lossy_cycles: int = 5_000


FULL = Effort()
