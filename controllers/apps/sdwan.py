"""`--app sdwan --overlay FILE`: CPEs as edges of an SD-WAN (controllers/sdwan)."""

from __future__ import annotations

from controllers import osken
from controllers.apps.given import read_given
from controllers.apps.srv6 import Srv6App
from controllers.northbound.overlay import ENDPOINTS, OverlayOperations
from controllers.overlay import OverlayShell
from controllers.sdwan.controller import Controller
from controllers.sdwan.network import read_overlay
from controllers.underlay import Underlay


class SdwanApp(osken.App):
    """Feeds the core with switches, tables and measurements."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        if self.options.overlay is None:
            raise osken.StartError("sdwan: want --overlay FILE")
        self._shell = OverlayShell(Controller(read_given(self.options.overlay, read_overlay)), _underlay())
        self.api = OverlayOperations(self._shell), ENDPOINTS

    @osken.on_switch_up
    def switch_up(self, datapath: osken.Datapath) -> None:
        """An edge connected."""
        self._shell.connected(datapath)

    @osken.on_tables
    def tables(self, tables: osken.Tables) -> None:
        """It has told what it has."""
        self._shell.told(tables.datapath, tables.state)

    @osken.on_flow_removed
    def flow_removed(self, datapath: osken.Datapath) -> None:
        """It has lost a flow."""
        self._shell.doubted(datapath)

    @osken.on_packet_in
    def packet_in(self, packet: osken.PacketIn) -> None:
        """It has copied a packet."""
        self._shell.copied(packet)

    @osken.on_counted
    def counted(self, counted: osken.Counted) -> None:
        """It has told what it has counted."""
        self._shell.counted(counted.datapath, counted.counters)

    @osken.on_switch_down
    def switch_down(self, datapath: osken.Datapath) -> None:
        """A connection ended."""
        self._shell.disconnected(datapath)


def _underlay() -> Underlay | None:
    """That of the app srv6, which has to be loaded before; None without it."""
    app = osken.app("Srv6App")
    return app.underlay if isinstance(app, Srv6App) else None
