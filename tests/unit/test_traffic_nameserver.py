"""What a lab's name server answers."""

from __future__ import annotations

from argparse import ArgumentTypeError

import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.nameserver import TTL_S, answer, record, zone

ZONE = zone(map(record, ("portal.example=203.0.113.1", "both.example=203.0.113.2", "both.example=2001:db8::2")))


def ask(name: str, kind: str) -> dns.message.Message:
    query = dns.message.make_query(name, kind)
    reply = answer(query.to_wire(), ZONE)
    assert reply is not None
    found = dns.message.from_wire(reply)
    assert query.is_response(found)
    assert found.flags & dns.flags.AA
    return found


@pytest.mark.parametrize(
    ("name", "kind", "address"),
    [
        ("portal.example", "A", "203.0.113.1"),
        ("Portal.EXAMPLE", "A", "203.0.113.1"),
        ("both.example", "A", "203.0.113.2"),
        ("both.example", "AAAA", "2001:db8::2"),
    ],
)
def test_a_name_has_its_addresses(name: str, kind: str, address: str) -> None:
    (rrset,) = ask(name, kind).answer
    assert ([str(each) for each in rrset], rrset.ttl) == ([address], TTL_S)


@pytest.mark.parametrize("kind", ["AAAA", "TXT"])
def test_a_name_without_such_a_record_is_there_nevertheless(kind: str) -> None:
    found = ask("portal.example", kind)
    assert (found.rcode(), found.answer) == (dns.rcode.NOERROR, [])


def test_other_names_do_not_exist() -> None:
    assert ask("www.portal.example", "A").rcode() == dns.rcode.NXDOMAIN


def test_an_answer_is_not_answered() -> None:
    assert answer(ask("portal.example", "A").to_wire(), ZONE) is None


@given(st.binary(max_size=64))
def test_garbage_is_passed_over(octets: bytes) -> None:
    answer(octets, ZONE)


@pytest.mark.parametrize("text", ["", "portal.example", "portal.example=", "a..b=203.0.113.1", "a.example=b.example"])
def test_what_is_no_record(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="want NAME=ADDRESS"):
        record(text)
