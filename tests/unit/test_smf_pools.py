"""UE address pools: deterministic, lowest free first, never the gateway."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from core_stub.smf.pools import AddressPool, PoolExhaustedError

NET = IPv4Network("10.45.0.0/29")


def test_the_lowest_free_address_comes_first_and_the_gateway_never() -> None:
    pool = AddressPool(NET)
    assert [str(pool.allocate()) for _ in range(3)] == ["10.45.0.2", "10.45.0.3", "10.45.0.4"]
    pool.release(IPv4Address("10.45.0.3"))
    pool.release(IPv4Address("10.45.0.2"))
    assert [str(pool.allocate()) for _ in range(3)] == ["10.45.0.2", "10.45.0.3", "10.45.0.5"]


def test_a_gateway_elsewhere_is_skipped_too() -> None:
    pool = AddressPool(NET, IPv4Address("10.45.0.2"))
    assert [str(pool.allocate()) for _ in range(2)] == ["10.45.0.1", "10.45.0.3"]


def test_an_exhausted_pool_says_which_and_recovers() -> None:
    pool = AddressPool(NET)
    taken = [pool.allocate() for _ in range(5)]
    assert str(taken[-1]) == "10.45.0.6"
    with pytest.raises(PoolExhaustedError, match=r"all 5 addresses of 10\.45\.0\.0/29 are in use"):
        pool.allocate()
    pool.release(taken[2])
    assert pool.allocate() == taken[2]


def test_an_address_is_given_back_once() -> None:
    pool = AddressPool(NET)
    address = pool.allocate()
    pool.release(address)
    with pytest.raises(KeyError):
        pool.release(address)


def test_ranges_are_used_from_the_lowest_on() -> None:
    high, low = IPv4Address("10.45.0.5"), IPv4Address("10.45.0.2")
    pool = AddressPool(NET, ranges=[(high, high), (low, low)])
    assert [pool.allocate() for _ in range(2)] == [low, high]
    with pytest.raises(PoolExhaustedError):
        pool.allocate()


def test_an_address_can_be_taken_out_of_its_turn() -> None:
    pool = AddressPool(NET)
    pool.take(IPv4Address("10.45.0.4"))
    assert [str(pool.allocate()) for _ in range(3)] == ["10.45.0.2", "10.45.0.3", "10.45.0.5"]
    pool.release(IPv4Address("10.45.0.2"))
    pool.take(IPv4Address("10.45.0.2"))
    for address in ("10.45.0.2", "10.45.0.1", "10.46.0.1"):
        with pytest.raises(KeyError):
            pool.take(IPv4Address(address))
    assert str(pool.allocate()) == "10.45.0.6"


def test_a_pool_says_when_it_is_exhausted() -> None:
    pool = AddressPool(NET)
    for _ in range(5):
        assert not pool.is_exhausted
        pool.allocate()
    assert pool.is_exhausted
    assert pool.in_use == 5
