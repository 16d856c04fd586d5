"""Mininet's CLI over a lab."""

from __future__ import annotations

from mininet.cli import CLI

from topologies.network import BearerNet


def open_cli(net: BearerNet) -> None:
    """Let the user work with the network in Mininet's CLI; returns when they leave it."""
    CLI(net)
