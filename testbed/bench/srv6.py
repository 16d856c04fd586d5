"""SRv6: what it costs a packet, how long policies take, what a cut loses, what many routers take of memory."""

from __future__ import annotations

from testbed.bench.figures import Bench, Figure, watched_host
from testbed.bench.srv6_line import forward_ratio
from testbed.bench.srv6_networks import cut, full_mesh, memory_gb


def bench_srv6(routers: int = 200, cuts: int = 5) -> Bench:
    """Measure all of it; needs root.

    `forward_*`: IPv4 in SRv6 through three routers, against plain IPv6. `policies38_*`: a policy between
    every two cities of Chinanet, computed and put into the kernels. `tilfa_*`: medians of `cuts` cuts of one fibre, at
    1,000 packets/s; the baseline is without repairs. `tilfa_loss_ms` is how long packets are lost or late,
    `tilfa_gap_ms` the longest time without a reply. `routersN_gb`: memory that N routers take.
    """
    with watched_host() as watch:
        # First: the kernel frees what others have left in the background.
        memory = memory_gb(routers)
        segments, plain = forward_ratio()
        mesh = full_mesh()
        repaired, unrepaired = (cut(repaired=repaired, cuts=cuts) for repaired in (True, False))
    return Bench(
        "srv6",
        watch.host,
        (
            Figure("forward_pps", segments, "packets/s", plain),
            Figure("forward_ratio_plain_ipv6", segments / plain, "ratio"),
            Figure("policies38", mesh.policies, "policies"),
            Figure("policies38_compute_s", mesh.compute_s, "s"),
            Figure("policies38_install_s", mesh.install_s, "s"),
            Figure("tilfa_loss_ms", repaired.loss_ms, "ms", unrepaired.loss_ms),
            Figure("tilfa_gap_ms", repaired.gap_ms, "ms", unrepaired.gap_ms),
            Figure(f"routers{routers}_gb", memory, "GB"),
        ),
    )
