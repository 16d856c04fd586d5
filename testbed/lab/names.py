"""What a run's namespaces are called: `bl-<run id>` for the base, `bl-<run id>-<node>` for a node."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass


def new_run_id() -> str:
    """Five random base32 characters, such as `k3f7q`."""
    return base64.b32encode(secrets.token_bytes(4)).decode().lower()[:5]


@dataclass(frozen=True)
class Names:
    """The names of one run."""

    run_id: str

    @property
    def base(self) -> str:
        """The namespace that stands for the host's root: the run, the controller and the link engine live there."""
        return f"bl-{self.run_id}"

    def namespace(self, node: str | None) -> str:
        """The namespace of `node`; the base namespace for None."""
        return self.base if node is None else f"{self.base}-{node}"
