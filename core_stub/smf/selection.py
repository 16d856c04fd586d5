"""Which UPF: TS 23.501 §6.3.3, by DNN, DNAI and load; pure.

The load of a UPF is the sessions that we have there for its capacity. A UPF that tells its load (TS 29.244 §6.2.3) has
that much less of its capacity to give. Where two are alike, the first in the configuration is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from core_stub.smf.config import SessionPool, SmfConfig, UpfClient

IsAssociated = Callable[[str], bool]


class Loads:
    """Sessions per UPF, and what the UPFs say of themselves: (sequence number, percent)."""

    def __init__(self, sessions: Mapping[str, int]) -> None:
        self._sessions = sessions
        self._metrics: dict[str, tuple[int, int]] = {}

    def learn(self, upf: str, sequence: int, metric: int) -> None:
        """Load Control Information; an older one than known says nothing new (§6.2.3.3.2)."""
        if upf not in self._metrics or sequence > self._metrics[upf][0]:
            self._metrics[upf] = (sequence, metric)

    def forget(self, upf: str) -> None:
        """The UPF starts counting anew."""
        self._metrics.pop(upf, None)

    def metric(self, upf: str) -> int:
        """What the UPF said last, in percent."""
        return self._metrics.get(upf, (0, 0))[1]

    def of(self, upf: UpfClient) -> float:
        """What one more session would make of it."""
        free = max(0.01, 1 - self.metric(upf.label) / 100)
        return (self._sessions.get(upf.label, 0) + 1) / (upf.capacity * free)


def anchors(config: SmfConfig, pool: SessionPool, dnn: str) -> list[UpfClient]:
    """The UPFs that may be PSA for addresses of `pool`."""
    return [upf for upf in config.pfcp.client.upf if upf.anchors(dnn) and (not pool.upf or upf.label in pool.upf)]


def edges(config: SmfConfig, dnai: str) -> list[UpfClient]:
    """The UPFs that reach `dnai`."""
    return [upf for upf in config.pfcp.client.upf if upf.dnai == dnai]


def choose(
    candidates: Iterable[UpfClient], is_associated: IsAssociated, loads: Loads, dnai: str | None = None
) -> UpfClient | None:
    """The least loaded one that is associated, of those at `dnai` if there are any; None if none is."""
    reachable = [upf for upf in candidates if is_associated(upf.label)]
    near = [upf for upf in reachable if upf.dnai == dnai] if dnai else []
    return min(near or reachable, key=loads.of, default=None)
