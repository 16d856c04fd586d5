"""The probe of the links on real ones."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.links.engine import EmulatedLink, netem_available
from testbed.links.profile import LinkProfile
from tests.support.link_frames import binomial_bounds
from tests.support.link_rig import Rig, ip_batch, join, rig
from tests.support.polling import eventually
from tests.support.traffic_rig import Node, Running, running
from traffic.samples import LinkSample, read_links

pytestmark = pytest.mark.netns


@pytest.fixture(params=["wire", "netem"])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param == "netem" and not netem_available():
        pytest.skip("netem: this kernel cannot create a netem qdisc")
    with rig(request.param, tmp_path) as running_link:
        yield running_link


@contextmanager
def probing(
    link: Rig, folder: Path, interval: float, *, count: int = 1, missing: Sequence[str] = ()
) -> Iterator[tuple[Running, Path]]:
    links, samples = folder / "links.json", folder / "samples.jsonl"
    names = [f"link{number}" for number in range(count)]
    ends = {"a": link.a, "b": link.b}
    asked = [
        {"name": name, **{end: {"namespace": node, "ifname": name} for end, node in ends.items()}} for name in names
    ]
    links.write_text(json.dumps(asked))
    base = Node("base", link.engine_namespace, "", "")
    argv = ("--name", "p", "--links", str(links), "--samples", str(samples), "--interval", str(interval))
    with running(base, (sys.executable, "-m", "traffic.link_probe", *argv)) as process:
        ready = process.event()
        assert (ready["event"], ready["missing"]) == ("ready", list(missing))
        yield process, samples


def by_way(samples: list[LinkSample]) -> dict[str, list[LinkSample]]:
    return {way: [sample for sample in samples if sample.way == way] for way in ("a_to_b", "b_to_a")}


def test_each_direction_is_measured(link: Rig, tmp_path: Path) -> None:
    link.add(LinkProfile(delay_ms=5, loss=0.2), LinkProfile(delay_ms=1))
    with probing(link, tmp_path, 0.005) as (process, samples):
        eventually(lambda: len(read_links(samples)), lambda count: count >= 900)
        assert process.end() == 0
    found = by_way(read_links(samples))
    there, back = found["a_to_b"], found["b_to_a"]
    assert {len(there) - len(back)} <= {0, 1}
    least, most = binomial_bounds(len(there), 0.2)
    assert least <= sum(sample.lost for sample in there) <= most
    assert not any(sample.lost for sample in back)
    for samples_of_way, delay_ms in ((there, 5), (back, 1)):
        delays = [sample.delay_ms for sample in samples_of_way if sample.delay_ms is not None]
        assert min(delays) >= delay_ms
        assert sorted(sample.seq for sample in samples_of_way) == list(range(len(samples_of_way)))
    # What the kernel has sent is what the engine has seen.
    counted = link.engine.counters()[0].a_to_b
    assert counted.packets + counted.dropped_loss == len(there)


def test_a_link_that_is_cut_loses_probes_and_comes_back(link: Rig, tmp_path: Path) -> None:
    link.add(LinkProfile(), LinkProfile())
    clock = join(link.a, link.b, link.engine_namespace, number=1)
    link.engine.add([EmulatedLink("clock", *clock, LinkProfile(), LinkProfile())])
    with probing(link, tmp_path, 0.02, count=2) as (process, samples):

        def arrivals(number: int, more: int) -> None:
            """Wait until so many more probes have come over a link."""
            had = len(of_link(read_links(samples), number))
            eventually(lambda: len(of_link(read_links(samples), number)), lambda found: found >= had + more)

        arrivals(0, 20)
        ip_batch("link set link0 down", namespace=link.a)
        arrivals(1, 40)
        ip_batch("link set link0 up", namespace=link.a)
        arrivals(0, 20)
        assert process.end() == 0
    found = read_links(samples)
    assert sum(sample.lost for sample in of_link(found, 0)) >= 20
    assert not any(sample.lost for sample in of_link(found, 1))


def test_a_link_that_is_not_there_is_told(link: Rig, tmp_path: Path) -> None:
    link.add(LinkProfile(), LinkProfile())
    with probing(link, tmp_path, 0.02, count=2, missing=["link1"]) as (process, samples):
        eventually(lambda: len(read_links(samples)), lambda count: count >= 10)
        assert process.end() == 0
    assert of_link(read_links(samples), 1) == []


def of_link(samples: list[LinkSample], number: int) -> list[LinkSample]:
    return [sample for sample in samples if sample.link == f"link{number}"]
