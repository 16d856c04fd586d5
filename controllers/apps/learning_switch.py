"""`--app learning_switch`: every switch forwards by MAC address (controllers/learning.py)."""

from __future__ import annotations

import time

from controllers import learning, osken


class LearningSwitchApp(osken.App):
    """Feeds the core with packet-ins and sends the flows that it wants."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._core = learning.LearningSwitch()

    @osken.on_switch_up
    def switch_up(self, datapath: osken.Datapath) -> None:
        """A switch that connects gets the flows that make it report and flood."""
        datapath.send(self._core.switch_up(datapath.dpid))

    @osken.on_packet_in
    def packet_in(self, packet: osken.PacketIn) -> None:
        """A packet from a host that the switch does not know at that port."""
        datapath = packet.datapath
        datapath.send(self._core.packet_in(datapath.dpid, packet.port, packet.eth_src, time.monotonic()))
