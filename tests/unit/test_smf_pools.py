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
