"""What links are like: a preset for each tier, used unless a scenario says otherwise, and more by name (`preset:`).

A delay is that of the equipment; the length of fibre adds 5 µs a kilometre (ITU-T G.114). Where an up and a down
differ, up is from the link's first node to its second: from the user's side to the network's. The user's MTU is 1500
on the radio; the bearer behind it is jumbo, so that every encapsulation fits (DESIGN: GTP-U, VXLAN and SRH).

The tiers' own presets are those of a lightly loaded network of today with figures rounded; the comments say what they
rest on. "Chosen" marks what no source gives.
"""

from __future__ import annotations

from testbed.graph import Tier
from testbed.links.profile import Distribution, GilbertElliott, LinkProfile, Queue
from testbed.plan.profiles import Preset, Presets

AIR_US_PER_KM = 3.336
"""Propagation at the speed of light, 299,792 km/s."""

TIERS: dict[Tier, Preset] = {
    # One-way user-plane latency of 5G FR1 with 30 kHz spacing is of this order (3GPP TR 37.910 §5.7.1).
    Tier.RADIO: Preset(LinkProfile(delay_ms=1.0, jitter_ms=0.1, rate_bps=300_000_000)),
    # A port of 1GBASE-X (IEEE 802.3 clause 36). Delay of switches and routers chosen: tens of µs, as store-and-forward
    # of a 9000-byte frame takes 72 µs at 1 Gbit/s and 7.2 µs at 10 Gbit/s.
    Tier.ACCESS: Preset(LinkProfile(delay_ms=0.02, rate_bps=1_000_000_000)),
    # 10GBASE-R (IEEE 802.3 clause 49).
    Tier.BACKHAUL: Preset(LinkProfile(delay_ms=0.02, rate_bps=10_000_000_000)),
    Tier.METRO: Preset(LinkProfile(delay_ms=0.02, rate_bps=10_000_000_000)),
    # 100GBASE-R (IEEE 802.3 clause 82); jitter chosen.
    Tier.BACKBONE: Preset(LinkProfile(delay_ms=0.02, jitter_ms=0.02, rate_bps=100_000_000_000)),
    Tier.DATACENTRE: Preset(LinkProfile()),
}

NAMED: dict[str, Preset] = {
    # ITU-R M.2410: user plane latency of eMBB at most 4 ms one way (§4.7.1), user experienced data rates of 100 Mbit/s
    # down and 50 Mbit/s up in dense urban areas (§4.3). HARQ retransmissions make the long tail; its width is chosen.
    "radio-5g-fr1": Preset(
        LinkProfile(
            delay_ms=4.0, jitter_ms=1.0, distribution=Distribution.PARETO, rate_bps=50_000_000, queue=Queue(ms=100)
        ),
        LinkProfile(
            delay_ms=4.0, jitter_ms=1.0, distribution=Distribution.PARETO, rate_bps=100_000_000, queue=Queue(ms=100)
        ),
        us_per_km=AIR_US_PER_KM,
    ),
    # XGS-PON: 9.95 Gbit/s line rate both ways, of which about 8.7 are left for frames (ITU-T G.9807.1). Upstream waits
    # for a grant: a frame is 125 µs, a cycle of grants a few of them; 0.5 ms mean is chosen.
    "fibre-access": Preset(
        LinkProfile(delay_ms=0.5, jitter_ms=0.25, distribution=Distribution.UNIFORM, rate_bps=8_600_000_000),
        LinkProfile(delay_ms=0.05, jitter_ms=0.0, rate_bps=8_600_000_000),
    ),
    # A hop in the bands from 6 to 42 GHz: a channel of 112 MHz (ETSI EN 302 217-2) at 1024-QAM carries 0.9 Gbit/s in
    # one polarisation (112 MHz / 1.15 x 10 bit x coding 0.9). Chosen: 0.1 ms for the modems, and fading as 0.01% of
    # loss in bursts of 20 packets.
    "microwave-backhaul": Preset(
        LinkProfile(
            delay_ms=0.1,
            jitter_ms=0.01,
            loss_bursts=GilbertElliott(p=5e-6, r=0.05),
            rate_bps=900_000_000,
            queue=Queue(ms=20),
        ),
        us_per_km=AIR_US_PER_KM,
    ),
    # 100GBASE-R over DWDM (IEEE 802.3 clause 82), without loss until a queue is full.
    "metro-ring": Preset(LinkProfile(delay_ms=0.02, jitter_ms=0.005, rate_bps=100_000_000_000)),
    # 400GBASE-R (IEEE 802.3 clause 119); forwarding of a core router in tens of µs, jitter chosen.
    "backbone": Preset(LinkProfile(delay_ms=0.05, jitter_ms=0.02, rate_bps=400_000_000_000)),
    # A public Internet path as transport of an SD-WAN, besides its fibre: ITU-T Y.1541 class 0 allows 50 ms of delay
    # variation and 0.1% of loss; the values stay inside, loss in bursts (of 3 packets, chosen).
    "internet-transport": Preset(
        LinkProfile(
            delay_ms=5.0,
            jitter_ms=2.0,
            distribution=Distribution.PARETO,
            loss_bursts=GilbertElliott(p=0.00033, r=0.33),
            rate_bps=500_000_000,
            queue=Queue(ms=100),
        )
    ),
    # One hop over a geostationary satellite takes 239.6 to 279.0 ms one way (RFC 2488 §2); 260 is in the middle, and
    # framing and access add 20 (chosen). The rates are of a consumer subscription, 100 down and 10 up, that Michel et
    # al. measured beside Starlink (A First Look at Starlink Performance, IMC 2022).
    "geo-satellite": Preset(
        LinkProfile(delay_ms=280.0, jitter_ms=5.0, loss=0.001, rate_bps=10_000_000, queue=Queue(ms=500)),
        LinkProfile(delay_ms=280.0, jitter_ms=5.0, loss=0.001, rate_bps=100_000_000, queue=Queue(ms=500)),
        us_per_km=0.0,
    ),
    # Starlink as measured by Michel et al. (IMC 2022): RTT at least 20 ms and about 50 ms in the median to servers in
    # Europe, so 20 ms one way for the satellite's part. The terminal changes its satellite every 15 s (Huston,
    # Measuring Starlink Protocol Performance, NANOG 92), with loss around it: bursts of 25 packets, 0.4% of all
    # (chosen). Rates are of that order in the same measurements.
    "leo-satellite": Preset(
        LinkProfile(
            delay_ms=20.0,
            jitter_ms=4.0,
            loss_bursts=GilbertElliott(p=0.00016, r=0.04),
            rate_bps=15_000_000,
            queue=Queue(ms=100),
        ),
        LinkProfile(
            delay_ms=20.0,
            jitter_ms=4.0,
            loss_bursts=GilbertElliott(p=0.00016, r=0.04),
            rate_bps=150_000_000,
            queue=Queue(ms=100),
        ),
        us_per_km=0.0,
    ),
}

_MTUS = {tier: 1500 if tier is Tier.RADIO else 9000 for tier in Tier}

PRESETS = Presets(TIERS, _MTUS, NAMED)
"""Everything that links can be by default or by name."""
