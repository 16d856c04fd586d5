"""What an emulated link costs and how exact it is, against a plain veth pair measured in the same run.

The two take turns, phase by phase, and each figure is the median over the repetitions. "Error" of a one-way delay is
the kernel's receive stamp minus the time of sending minus the profile's delay; over the veth pair it is its own delay.
A rate counts whole Ethernet frames. TCP over d ms has d ms each way. Loads and their limits: load.py and tcp.py.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from testbed.bench.figures import Bench, Figure, watched_host
from testbed.bench.load import BURST, Burst, Generator, Sink, received, received_bps
from testbed.bench.pairs import LINK, VETH, Pairs, pairs
from testbed.bench.tcp import bulk
from testbed.links.profile import LinkProfile, Queue

DELAYS_MS = (1, 5, 20)
TCP_DELAYS_MS = (0, 1, 10, 50)
FLOWS = (1, 4)
SIZES = (64, 1400)
RATES = {"1M": 10**6, "10M": 10**7, "100M": 10**8, "1G": 10**9}
LOADS = {"light": (1_000, 1.5), "heavy": (20_000, 0.5)}
"""Name → packets per second and seconds of a one-way-delay measurement."""

COUNTS = (1, 50, 200)
"""Links in one process."""

_BUSY_PPS = 20_000
_FULL_FRAME = 1514
_BURST_S = 0.0005
_QUEUE_FRAMES, _QUEUE_MS = 100, 50.0
"""What the queue of a limited link holds at least, so that neither TCP nor a busy host lets it run empty."""

_KEEP = 256 << 20  # bytes of arrivals that wait in the kernel to be read
_NOTHING = 1  # the kernel's smallest buffer: arrivals are only counted, by their interface
_SETTLE_S = 0.02
"""A rate is sustained if nothing is lost and all has arrived so soon after the last packet was sent."""

_EMPTY_S = 0.1
_SEARCH_STEPS = 5


@dataclass(frozen=True)
class Effort:
    """How much to measure; `scale` stretches each measurement's time."""

    repetitions: int = 3
    scale: float = 1.0
    counts: tuple[int, ...] = COUNTS


FULL = Effort()


@dataclass(frozen=True)
class Measurement:
    """One value of one repetition and, where it means something, the veth pair's."""

    name: str
    value: float
    unit: str
    baseline: float | None = None


Phase = Callable[[Pairs, Effort], Iterator[Measurement]]


def bench_link(effort: Effort = FULL, engine: str = "auto") -> Bench:
    """Measure the engine that `choose` takes; needs root, and about three minutes of an otherwise quiet machine."""
    with watched_host() as watch:
        with pairs(1, engine) as joined:
            rounds = [each for _ in range(effort.repetitions) for phase in PHASES for each in phase(joined, effort)]
        with pairs(max(effort.counts), engine) as joined:
            costs = list(measure_counts(joined, effort))
    return Bench("link", watch.host, (*summarise(rounds), *summarise(costs)))


def summarise(measurements: Sequence[Measurement]) -> Iterator[Figure]:
    """A figure for each name: medians of its values and of its baselines."""
    by_name: dict[str, list[Measurement]] = defaultdict(list)
    for each in measurements:
        by_name[each.name].append(each)
    for name, same in by_name.items():
        baselines = [each.baseline for each in same if each.baseline is not None]
        baseline = round(median(baselines), 4) if baselines else None
        yield Figure(name, round(median(each.value for each in same), 4), same[0].unit, baseline)


def highest_sustained(ceiling: float, sustained: Callable[[float], bool]) -> float:
    """The highest rate up to `ceiling` that is sustained, by bisection; the ceiling itself is known not to be.

    A rate that fails is tried once more: a moment in which the hypervisor took the core says nothing of the link.
    """
    low, high = 0.0, ceiling
    for _ in range(_SEARCH_STEPS):
        middle = (low + high) / 2
        if sustained(middle) or sustained(middle):
            low = middle
        else:
            high = middle
    return low


def arrival_rate(stamps: Sequence[int], frame: int) -> float:
    """Bits per second of frames of this size that arrived at these nanoseconds; ZeroDivisionError below two."""
    return (len(stamps) - 1) * frame * 8e9 / (stamps[-1] - stamps[0])


def measure_delay(joined: Pairs, effort: Effort) -> Iterator[Measurement]:
    """One-way delay at light and heavy load, and what the engine's process spends on it."""
    for load in LOADS:
        veth = _delays_us(joined, VETH, load, effort)
        for delay_ms in DELAYS_MS:
            joined.impair(LinkProfile(delay_ms=delay_ms))
            before = joined.engine_cpu_s()
            link = _delays_us(joined, LINK, load, effort)
            spent = joined.engine_cpu_s() - before
            suffix = f"@{delay_ms}ms" if load == "light" else f"_heavy@{delay_ms}ms"
            p50, p99 = (percentile(link, percent) - delay_ms * 1000 for percent in (50, 99))
            yield Measurement(f"owd_error_p50_us{suffix}", p50, "us", percentile(veth, 50))
            yield Measurement(f"owd_error_p99_us{suffix}", p99, "us", percentile(veth, 99))
            yield Measurement(f"owd_error_p99_over_veth_us{suffix}", p99 - percentile(veth, 99), "us")
            yield Measurement(f"owd_cpu_us_per_packet{suffix}", spent * 1e6 / len(link), "us")


def measure_packets(joined: Pairs, effort: Effort) -> Iterator[Measurement]:
    """The highest packet rate without loss, the generator's ceiling, and the engine's processor time per packet."""
    joined.impair(LinkProfile(delay_ms=1))
    for size in SIZES:
        veth, link = (_no_loss(joined, way, size, effort) for way in (VETH, LINK))
        yield Measurement(f"pps_noloss@{size}B", link.sustained, "1/s", veth.sustained)
        yield Measurement(f"pps_ceiling@{size}B", link.ceiling, "1/s", veth.ceiling)
        yield Measurement(f"cpu_us_per_packet@{size}B", link.cpu_us, "us")
        if size == min(SIZES):
            yield Measurement("pps_noloss_ratio", link.sustained / veth.sustained, "ratio")


def measure_tcp(joined: Pairs, effort: Effort) -> Iterator[Measurement]:
    """TCP throughput of one and several flows."""
    for flows in FLOWS:
        veth = _tcp_gbps(joined, VETH, flows, 0, effort)
        for delay_ms in TCP_DELAYS_MS:
            joined.impair(LinkProfile(delay_ms=delay_ms))
            link = _tcp_gbps(joined, LINK, flows, delay_ms, effort)
            yield Measurement(f"tcp_gbps_{flows}flow@{delay_ms}ms", link, "Gbit/s", veth)
            if flows == 1:
                yield Measurement(f"tcp_ratio@{delay_ms}ms", link / veth, "ratio")


def measure_rates(joined: Pairs, effort: Effort) -> Iterator[Measurement]:
    """How far UDP and TCP are from the rate of a limited link; the figure without a protocol is the worse one."""
    for name, rate_bps in RATES.items():
        _empty(joined)
        frames_ms = _QUEUE_FRAMES * _FULL_FRAME * 8000 / rate_bps
        joined.impair(LinkProfile(rate_bps=rate_bps, queue=Queue(ms=max(frames_ms, _QUEUE_MS))))
        # At least some 200 full frames; UDP's wait in memory to be read, TCP's do not.
        udp_s, tcp_s = (max(least_s, 2.4e6 / rate_bps) * effort.scale for least_s in (0.8, 2.0))
        achieved = {"udp": _udp_bps(joined, rate_bps, udp_s), "tcp": _tcp_bps(joined, tcp_s, effort)}
        errors = {protocol: (bps / rate_bps - 1) * 100 for protocol, bps in achieved.items()}
        for protocol, error in errors.items():
            yield Measurement(f"rate_error_percent_{protocol}@{name}", error, "%")
        yield Measurement(f"rate_error_percent@{name}", max(map(abs, errors.values())), "%")


def measure_counts(joined: Pairs, effort: Effort) -> Iterator[Measurement]:
    """What 1, 50 and 200 links cost the engine's process, idle, and busy with the same load spread over all of them."""
    joined.impair(LinkProfile(delay_ms=1))
    present = 1
    for count in effort.counts:
        joined.join(present, count)
        present = max(present, count)
        before, begin = joined.engine_cpu_s(), time.monotonic()
        time.sleep(2 * effort.scale)
        idle = (joined.engine_cpu_s() - before) / (time.monotonic() - begin)
        yield Measurement(f"idle_cpu_percent@{count}", idle * 100, "%")
        yield Measurement(f"engine_memory_mb@{count}", joined.engine_memory_mb(), "MB")
        trial = _trial(joined, joined.numbered(count), min(SIZES), _BUSY_PPS, effort.scale)
        yield Measurement(f"busy_cpu_us_per_packet@{count}", trial.cpu_us, "us")
        yield Measurement(f"busy_loss_percent@{count}", 100 * trial.lost / trial.sent, "%")


PHASES: tuple[Phase, ...] = (measure_delay, measure_packets, measure_tcp, measure_rates)


def percentile(values: Sequence[float], percent: int) -> float:
    """The percentile of the values, by linear interpolation."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def _delays_us(joined: Pairs, link: str, load: str, effort: Effort) -> list[float]:
    per_second, seconds = LOADS[load]
    with Generator(joined.source) as generator, Sink(joined.sink, buffer=_KEEP) as sink:
        generator.stamped(joined.address(link), per_second, seconds * effort.scale)
        arrivals = sink.arrivals()
    joined.require(len(arrivals))
    return [(arrived - sent) / 1000 for sent, arrived in arrivals]


@dataclass(frozen=True)
class _Trial:
    """A load at one rate: what was sent, what had not arrived in time, and the engine's time per packet sent."""

    sent: int
    lost: int
    per_second: float
    cpu_us: float


def _trial(joined: Pairs, links: Sequence[str], size: int, per_second: float, seconds: float) -> _Trial:
    burst = Burst([joined.address(link) for link in links], size)
    with Generator(joined.source) as generator, Sink(joined.sink, buffer=_NOTHING):
        before, cpu = received(joined.sink, links).packets, joined.engine_cpu_s()
        sent = generator.bursts(burst, per_second, seconds)
        time.sleep(_SETTLE_S)
        arrived = received(joined.sink, links).packets - before
        spent = joined.engine_cpu_s() - cpu
    joined.require(arrived)
    return _Trial(sent.packets, sent.packets - arrived, sent.per_second, spent * 1e6 / sent.packets)


@dataclass(frozen=True)
class _NoLoss:
    ceiling: float
    sustained: float
    cpu_us: float


def _no_loss(joined: Pairs, link: str, size: int, effort: Effort) -> _NoLoss:
    trials: list[_Trial] = []

    def sustained(per_second: float) -> bool:
        # What a trial before has left in the engine must not count in this one.
        time.sleep(10 * _SETTLE_S)
        trials.append(_trial(joined, [link], size, per_second, 0.4 * effort.scale))
        return trials[-1].lost == 0

    if not sustained(math.inf):
        highest_sustained(trials[0].per_second, sustained)
    best = max((each for each in trials if each.lost == 0), key=lambda each: each.per_second, default=None)
    ceiling = trials[0].per_second
    return _NoLoss(ceiling, best.per_second, best.cpu_us) if best else _NoLoss(ceiling, 0.0, trials[0].cpu_us)


def _tcp_gbps(joined: Pairs, link: str, flows: int, delay_ms: float, effort: Effort) -> float:
    with bulk(joined.source, joined.sink, joined.address(link), flows=flows) as running:
        # Some twenty round trips until the windows are open.
        time.sleep((0.3 + 20 * 2 * delay_ms / 1000) * effort.scale)
        return running.goodput_bps(0.7 * effort.scale) / 1e9


def _tcp_bps(joined: Pairs, seconds: float, effort: Effort) -> float:
    # Every kernel has Reno, which keeps a queue filled; BBR, where it is the default, would rather not.
    with bulk(joined.source, joined.sink, joined.address(LINK), congestion="reno"):
        time.sleep(1.0 * effort.scale)
        return received_bps(joined.sink, LINK, seconds)


def _empty(joined: Pairs) -> None:
    """Let out what the flow before has left in the link: it would keep a slower line busy for a minute."""
    joined.impair(LinkProfile())
    before = None
    while (now := received(joined.sink, [LINK])) != before:
        before = now
        time.sleep(_EMPTY_S)


def _udp_bps(joined: Pairs, rate_bps: int, seconds: float) -> float:
    """A quarter more than the link takes keeps its queue full; the first quarter of the arrivals fills it."""
    per_second = 1.25 * rate_bps / (8 * _FULL_FRAME)
    # A burst has to be small beside the queue, or the link idles between bursts.
    burst = Burst([joined.address(LINK)], _FULL_FRAME, min(BURST, math.ceil(per_second * _BURST_S)))
    with Generator(joined.source) as generator, Sink(joined.sink, buffer=_KEEP) as sink:
        generator.bursts(burst, per_second, 4 / 3 * seconds)
        stamps = [arrived for _, arrived in sink.arrivals()]
    joined.require(len(stamps))
    return arrival_rate(stamps[len(stamps) // 4 :], _FULL_FRAME)
