"""Throughput between two nodes by iperf3, for Mininet's CLI: Mininet's own ends every iperf of the machine by name."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from mininet.node import Node

from testbed.errors import RunInvalidError

PORT = 5201


def throughput(client: Node, server: Node, *, seconds: int, udp_rate: str | None = None) -> tuple[str, str]:
    """What the server received and the client sent, as Mininet writes it: `"943 Mbits/sec"`; RunInvalidError if not."""
    listener = server.popen(["iperf3", "--server", "--one-off", "--port", str(PORT), "--forceflush"])
    try:
        _await_listening(listener)
        argv = ["iperf3", "--client", server.IP(), "--port", str(PORT), "--time", str(seconds), "--json"]
        argv += ["--udp", "--bitrate", udp_rate] if udp_rate else []
        said, _ = client.popen(argv).communicate()
        result: dict[str, Any] = json.loads(said)
    finally:
        listener.terminate()
        listener.wait()
    if "error" in result:
        raise RunInvalidError(f"iperf3 from {client.name} to {server.name}: {result['error']}", process="iperf3")
    end = result["end"]
    # Older versions have one sum for UDP.
    return _speed(end.get("sum_received") or end["sum"]), _speed(end.get("sum_sent") or end["sum"])


def _await_listening(listener: subprocess.Popen[bytes]) -> None:
    assert listener.stdout is not None
    for line in listener.stdout:
        if b"listening" in line:
            return
    raise RunInvalidError("iperf3 does not start; is it installed?", process="iperf3")


def _speed(summary: dict[str, float]) -> str:
    return f"{summary['bits_per_second'] / 1e6:.3g} Mbits/sec"
