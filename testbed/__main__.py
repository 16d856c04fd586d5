"""`bearerlab`, and `python -m testbed`: Ctrl-C ends it quietly even while the command line is being imported."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Run the command line."""
    # Nothing is there yet that would have to be taken down. Ignored, as in a shell's background, it stays ignored.
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
    from testbed import cli  # noqa: PLC0415

    signal.signal(signal.SIGINT, interrupt)
    cli.main()


if __name__ == "__main__":
    main()
