"""A run in a process of its own: `python -m tests.support.lab_runner ROOT RUN_DIR wait|cli`.

`wait` prints the run id and stays until SIGTERM, which it turns into an exception as `bearerlab run` does; `cli` ends
in Mininet's CLI, on standard input.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from mininet.cli import CLI
from mininet.log import setLogLevel

from testbed.lab.processes import Command
from tests.support.lab_plans import five_nodes
from topologies.network import lab


class Ended(BaseException):
    """SIGTERM has come."""


def _end(*_: object) -> None:
    raise Ended


def main(root: str, run_dir: str, mode: str) -> None:
    signal.signal(signal.SIGTERM, _end)
    setLogLevel("output")
    try:
        with lab(five_nodes(), run_dir=Path(run_dir), on_event=lambda *_: None, root=Path(root)) as running:
            running.net.start()
            if mode == "cli":
                CLI(running.net)
                return
            running.supervisor.start(Command("sleeper", "h1", ("sleep", "300")))
            running.net["h1"].cmd("sleep 301 &")
            print(running.run_id, flush=True)
            signal.pause()
    except Ended:
        print("taken down", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
