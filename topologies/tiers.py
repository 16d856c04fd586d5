"""What links of each tier are like, unless a scenario says otherwise.

`delay_ms` is that of the equipment; the length of fibre adds 5 µs a kilometre (ITU-T G.114). The user's MTU is 1500 on
the radio; the bearer behind it is jumbo, so that every encapsulation fits (DESIGN: GTP-U, VXLAN and SRH).
"""

from __future__ import annotations

from testbed.graph import Tier
from testbed.links.profile import LinkProfile
from testbed.plan.profiles import TierPreset

PRESETS: dict[Tier, TierPreset] = {
    # One-way user-plane latency of 5G FR1 with 30 kHz spacing is of this order (3GPP TR 37.910 §5.7.1).
    Tier.RADIO: TierPreset(1500, LinkProfile(delay_ms=1.0, jitter_ms=0.1, rate_bps=300_000_000)),
    Tier.ACCESS: TierPreset(9000, LinkProfile(delay_ms=0.02, rate_bps=1_000_000_000)),
    Tier.BACKHAUL: TierPreset(9000, LinkProfile(delay_ms=0.02, rate_bps=10_000_000_000)),
    Tier.METRO: TierPreset(9000, LinkProfile(delay_ms=0.02, rate_bps=10_000_000_000)),
    Tier.BACKBONE: TierPreset(9000, LinkProfile(delay_ms=0.02, jitter_ms=0.02, rate_bps=100_000_000_000)),
    Tier.DATACENTRE: TierPreset(9000, LinkProfile()),
}
