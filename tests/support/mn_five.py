"""For `mn --custom tests/support/mn_five.py --topo five`: the five-node plan in stock Mininet."""

import sys
from pathlib import Path

# mn executes this file without `__file__`, and with the system's Python, which knows nothing of this repository.
_ROOT = Path(sys._getframe().f_code.co_filename).resolve().parents[2]
_SITE = _ROOT / f".venv/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
sys.path += [str(_ROOT), str(_SITE)]

from testbed.links.profile import LinkProfile  # noqa: E402
from tests.support.lab_plans import five_nodes  # noqa: E402
from topologies.nodes import cleanup  # noqa: E402, F401
from topologies.stock import BearerTopo  # noqa: E402

SLOW = LinkProfile(delay_ms=10.0)

topos = {"five": lambda: BearerTopo(five_nodes()), "slow": lambda: BearerTopo(five_nodes(SLOW))}
