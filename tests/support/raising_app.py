"""An app whose handler raises at each packet from port 13, and writes an event for any other."""

from __future__ import annotations

from controllers.osken import App, PacketIn, on_packet_in
from testbed.events import emit


class Raising(App):
    """See above."""

    @on_packet_in
    def packet_in(self, packet: PacketIn) -> None:
        """Raise, or tell."""
        if packet.port == 13:
            raise KeyError("unlucky")
        emit("seen", port=packet.port)
