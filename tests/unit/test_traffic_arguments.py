"""What the traffic processes take on their command lines."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from traffic.capture import dumpcap_argv
from traffic.http_probe import Target
from traffic.process import Endpoint, above_zero


@pytest.mark.parametrize("text", ["203.0.113.10:862", "[2001:db8::1]:862"])
def test_endpoint(text: str) -> None:
    endpoint = Endpoint.parse(text)
    assert (str(endpoint), endpoint.port, endpoint.is_ipv6) == (text, 862, "[" in text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "862",
        "203.0.113.10",
        "203.0.113.10:",
        "203.0.113.10:0",
        "203.0.113.10:65536",
        "203.0.113.10:x",
        "host:862",
        "2001:db8::1:862",
        "[203.0.113.10]:862",
        "[2001:db8::1]",
        "[2001:db8::1:862",
    ],
)
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="want ADDRESS:PORT, such as"):
        Endpoint.parse(text)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://203.0.113.10/", Target("203.0.113.10", 80, "/")),
        ("http://203.0.113.10", Target("203.0.113.10", 80, "/")),
        ("http://203.0.113.10:8080/a?bytes=9", Target("203.0.113.10", 8080, "/a?bytes=9")),
        ("http://[2001:db8::1]/", Target("2001:db8::1", 80, "/")),
        ("http://portal.example:8080/", Target("portal.example", 8080, "/")),
    ],
)
def test_url(url: str, wanted: Target) -> None:
    assert Target.parse(url) == wanted
    assert wanted.by_name == ("portal" in url)


@pytest.mark.parametrize("url", ["", "203.0.113.10", "https://203.0.113.10/", "http:///a", "http://203.0.113.10:x/"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ArgumentTypeError, match="want http:// and an IP address"):
        Target.parse(url)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "ten", ""])
def test_what_is_not_above_zero(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="want a number above zero"):
        above_zero(text)


def test_dumpcap_is_given_what_was_asked_for_and_no_more() -> None:
    path = Path("/run/lab/n3.pcapng")
    assert " ".join(dumpcap_argv("gnb1", path)) == "dumpcap -q -n -p -i gnb1 -s 262144 -w /run/lab/n3.pcapng"
    argv = dumpcap_argv("gnb1", path, capture_filter="udp port 2152", snaplen=256, comment="N3 of gnb1")
    assert argv[argv.index("-f") + 1] == "udp port 2152"
    assert argv[argv.index("-s") + 1] == "256"
    assert argv[argv.index("--capture-comment") + 1] == "N3 of gnb1"
