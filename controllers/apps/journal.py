"""Always loaded: tells the lab which switches come and go, and what they refuse."""

from __future__ import annotations

from controllers import osken
from testbed.events import emit


class JournalApp(osken.App):
    """Writes `switch_up`, `switch_down` and `flow_error`."""

    OFP_VERSIONS = None
    """Whatever the other apps speak."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._current: dict[int, osken.Datapath] = {}

    def tell(self, event: str, **fields: object) -> None:
        """Write an event."""
        emit(event, **fields)

    @osken.on_switch_up
    def switch_up(self, datapath: osken.Datapath) -> None:
        """A switch connected."""
        self._current[datapath.dpid] = datapath
        self.tell("switch_up", dpid=datapath.dpid)

    @osken.on_switch_down
    def switch_down(self, datapath: osken.Datapath) -> None:
        """A connection ended; one that a newer connection of the same switch has replaced is no news."""
        if self._current.get(datapath.dpid) == datapath:
            del self._current[datapath.dpid]
            self.tell("switch_down", dpid=datapath.dpid)

    @osken.on_refused
    def refused(self, refused: osken.Refused) -> None:
        """A switch refused a message."""
        self.tell("flow_error", dpid=refused.dpid, type=refused.type, code=refused.code, request=refused.request)
