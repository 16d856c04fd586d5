"""Instead of the journal where a person watches: the same news in the log."""

from __future__ import annotations

import logging

from controllers.apps.journal import JournalApp

_log = logging.getLogger("bearerlab")


class ConsoleApp(JournalApp):
    """Says which switches come and go, and what they refuse."""

    def tell(self, event: str, **fields: object) -> None:
        """One line."""
        match event, fields:
            case "switch_up", {"dpid": int(dpid)}:
                _log.info("switch %016x is connected", dpid)
            case "switch_down", {"dpid": int(dpid)}:
                _log.info("switch %016x is gone", dpid)
            case "flow_error", {"dpid": dpid, "type": kind, "code": code, "request": request}:
                _log.warning("switch %s refused a message: %s %s: %s", dpid, kind, code, request)
