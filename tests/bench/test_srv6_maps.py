"""The SRv6 core over real maps: every single failure of ten of them."""

from __future__ import annotations

import pytest

from controllers.srv6.tilfa import Protection
from tests.support.srv6_graphs import TEN_MAPS
from tests.support.srv6_repairs import check_map

pytestmark = [pytest.mark.bench, pytest.mark.slow]


@pytest.mark.parametrize("protection", Protection)
@pytest.mark.parametrize("name", TEN_MAPS)
def test_every_single_failure_is_repaired(name: str, protection: Protection) -> None:
    check_map(name, protection)
