"""SIDs: where they lie, that they never collide, and containers there and back."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.srv6.containers import pack, unpack
from controllers.srv6.sids import Behavior, Flavor, Locator, Sid, SidError, SidTable, allocate

BLOCK = IPv6Network("fcbb:bb00::/32")
NODES = tuple(f"r{number}" for number in range(1, 20))
LINKS = [(a, b) for a in NODES for b in NODES if a != b]
TABLE = allocate(BLOCK, NODES, LINKS)


def test_where_sids_lie() -> None:
    end, end_x = TABLE.end("r2"), TABLE.end_x("r2", "r3")
    assert str(TABLE.locators["r2"].prefix) == "fcbb:bb00:2::/48"
    assert (str(end.address), str(end.prefix)) == ("fcbb:bb00:2::", "fcbb:bb00:2::/48")
    assert (str(end_x.address), str(end_x.prefix)) == ("fcbb:bb00:2:e001::", "fcbb:bb00:2:e001::/64")
    plain = allocate(BLOCK, NODES, LINKS, frozenset({Flavor.PSP}))
    assert str(plain.end_x("r2", "r3").prefix) == "fcbb:bb00:2:e001::/128"


def test_the_same_graph_has_the_same_sids() -> None:
    assert allocate(BLOCK, NODES, LINKS) == TABLE
    assert len({*TABLE.sids}) == len(NODES) + len(LINKS)
    assert len(TABLE.of_node("r1")) == len(NODES)


def test_service_and_binding_sids_are_given_out_in_turn() -> None:
    table = TABLE.allocate([("r1", Behavior.END_DT4, "shop")]).allocate([("r1", Behavior.END_DT6, "shop")])
    table = table.allocate([("r1", Behavior.END_B6_ENCAPS, "gold")])
    assert str(table.find("r1", Behavior.END_DT6, "shop").address) == "fcbb:bb00:1:f001::"
    assert str(table.find("r1", Behavior.END_B6_ENCAPS, "gold").address) == "fcbb:bb00:1:f800::"
    with pytest.raises(KeyError):
        TABLE.find("r1", Behavior.END_DT6, "shop")


def test_collisions_name_both() -> None:
    locator = TABLE.locators["r1"]
    with pytest.raises(SidError, match=r"fcbb:bb00:1:e000:: End.DT4 shop: collides with fcbb:bb00:1:e000:: End.X r2"):
        TABLE.with_sid(Sid(locator, 0xE000, Behavior.END_DT4, "shop"))
    table = TABLE.allocate([("r1", Behavior.END_DT4, "shop")])
    with pytest.raises(SidError, match=r"collides with fcbb:bb00:1:f000:: End.DT4 shop"):
        table.allocate([("r1", Behavior.END_DT4, "shop")])
    with pytest.raises(SidError, match="no node has the locator fcbb:bb00:99::/48"):
        TABLE.with_sid(Sid(Locator(BLOCK, 0x99), 0xF000, Behavior.END_DT4))
    with pytest.raises(SidError, match="one of them comes twice"):
        allocate(BLOCK, ("r1", "r1"), [])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Locator(IPv6Network("fcbb::/48"), 1), "want a /32"),
        (lambda: Locator(BLOCK, 0), "want 0x1 to 0xdfff"),
        (lambda: Locator(BLOCK, 0xE000), "want 0x1 to 0xdfff"),
        (lambda: Sid(Locator(BLOCK, 1), 1, Behavior.END_X), "0xe000 to 0xffff"),
        (lambda: Sid(Locator(BLOCK, 1), 0xE000, Behavior.END), "function 0 for End"),
        (lambda: Sid(Locator(BLOCK, 1), 0, Behavior.END_DT4), "function 0 for End"),
        (lambda: Sid(Locator(BLOCK, 1), 0xF000, Behavior.END_DT4, "", frozenset({Flavor.PSP})), "have flavours"),
    ],
)
def test_what_is_no_sid(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(SidError, match=message):
        make()


def test_functions_run_out() -> None:
    table = SidTable(
        TABLE.locators,
        {sid.address: sid for n in range(0x800) for sid in [_service(0xF000 + n, f"t{n}")]},
    )
    with pytest.raises(SidError, match=r"r1: no function is left for End.DX4 more"):
        table.allocate([("r1", Behavior.END_DX4, "more")])


def _service(function: int, tenant: str) -> Sid:
    return Sid(TABLE.locators["r1"], function, Behavior.END_DT46, tenant)


def test_a_container() -> None:
    sids = [TABLE.end("r1"), TABLE.end_x("r2", "r3"), TABLE.end("r5")]
    assert pack(sids) == (IPv6Address("fcbb:bb00:1:2:e001:5::"),)
    assert pack([]) == ()
    full = [TABLE.end(f"r{number}") for number in range(1, 8)]
    assert [str(container) for container in pack(full)] == ["fcbb:bb00:1:2:3:4:5:6", "fcbb:bb00:7::"]


def test_a_sid_is_never_split_over_containers() -> None:
    sids = [*[TABLE.end("r1")] * 5, TABLE.end_x("r2", "r3")]
    assert [str(container) for container in pack(sids)] == ["fcbb:bb00:1:1:1:1:1:0", "fcbb:bb00:2:e001::"]


@given(st.lists(st.sampled_from(sorted(TABLE.sids.values()))))
def test_containers_there_and_back(sids: list[Sid]) -> None:
    containers = pack(sids)
    assert unpack(containers, TABLE) == tuple(sids)
    assert len(containers) <= len(sids)
    assert len(containers) >= -(-sum(len(sid.csids) for sid in sids) // 6)


def test_what_no_container_can_hold() -> None:
    other = allocate(IPv6Network("fcbb:cc00::/32"), ("x",), [])
    with pytest.raises(SidError, match="of one block"):
        pack([TABLE.end("r1"), other.end("x")])
    plain = allocate(BLOCK, NODES, LINKS, frozenset({Flavor.PSP}))
    with pytest.raises(SidError, match="only be the last"):
        pack([plain.end("r1"), plain.end("r2")])
    assert pack([TABLE.end("r1"), plain.end("r2")]) == (IPv6Address("fcbb:bb00:1:2::"),)


@pytest.mark.parametrize(
    "container", ["fcbb:bb00:99::", "fcbb:bb00:1:dfff::", "fcbb:bb00:e000::", "fcbb:bb00:1:f000::"]
)
def test_c_sids_that_nobody_has(container: str) -> None:
    with pytest.raises(SidError, match="no node has this SID"):
        unpack([IPv6Address(container)], TABLE)
