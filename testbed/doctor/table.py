"""Every capability that the testbed knows of. Texts are short: the doctor prints one line of 80 columns for each."""

from __future__ import annotations

from testbed.doctor.capability import Check
from testbed.doctor.kernel import (
    af_packet,
    link,
    namespace,
    netem,
    nftables,
    ovs_datapath,
    qdisc,
    route,
    sched_fifo,
    tc_bpf,
    tun,
    vrf_route,
)
from testbed.doctor.programs import module, native, program, python, root

_OTHER_KERNEL = "a kernel that has it"
_EXTRA_MODULES = "on Ubuntu: apt install linux-modules-extra-$(uname -r)"
_OVS_PROGRAMS = ("ovs-vsctl", "ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-appctl", "ovs-ofctl")
_DT4_TABLE = 101
_END_DT4 = f"seg6local action End.DT4 vrftable {_DT4_TABLE}"
_END_DT46 = f"seg6local action End.DT46 vrftable {_DT4_TABLE}"
_NEXT_CSID = "seg6local action End flavors next-csid"
_END_X_NEXT_CSID = "seg6local action End.X nh6 fc00::1 flavors next-csid"

_REQUIRED = (
    # name, probe, needed by, remedy
    ("root", root, "everything that runs", "run with sudo"),
    ("python", python, "everything", "install Python 3.11 to 3.13"),
    ("netns", namespace, "every node", "in a container: --privileged"),
    ("veth", link("veth"), "every link", _OTHER_KERNEL),
    ("bridge", link("bridge"), "LANs", _OTHER_KERNEL),
    ("af-packet", af_packet, "link engine wire, captures", _OTHER_KERNEL),
    ("tun", tun, "UPF, gNB", "modprobe tun"),
    ("nftables", nftables, "byte counters", "apt install nftables"),
    ("wire", native("testbed/links/wire"), "links without netem", "make native"),
    ("stamper", native("traffic/stamper"), "probes of SD-WAN tunnels", "make native"),
    ("mininet", module("mininet.net"), "the lab", "make setup"),
    ("mnexec", program(("mnexec", "-v")), "Mininet's nodes", "apt install mininet"),
    ("ovs", program(*((name, "--version") for name in _OVS_PROGRAMS)), "CPEs", "apt install openvswitch-switch"),
    ("ethtool", program(("ethtool", "--version")), "offloads of hosts", "apt install ethtool"),
    ("dumpcap", program(("dumpcap", "-v")), "captures", "apt install wireshark-common"),
)

_OPTIONAL = (
    ("netem", netem, "link engine netem", _EXTRA_MODULES),
    ("htb", qdisc("htb"), "rates with netem, MBR", _EXTRA_MODULES),
    ("tbf", qdisc("tbf", "rate 1mbit burst 1500 latency 1ms"), "rates with netem", _EXTRA_MODULES),
    ("ifb", link("ifb"), "shaping at ingress", _EXTRA_MODULES),
    ("vxlan", link("vxlan", "id 1 dstport 4789"), "SD-WAN tunnels", _OTHER_KERNEL),
    ("vrf", link("vrf", "table 100"), "SRv6 VPNs for IPv4", _EXTRA_MODULES),
    ("srv6-encap", route("seg6 mode encap segs fc00::1"), "SRv6 headends", _OTHER_KERNEL),
    ("srv6-encap-red", route("seg6 mode encap.red segs fc00::1"), "SRv6 headends", "Linux 6.1"),
    ("srv6-l2encap", route("seg6 mode l2encap.red segs fc00::1"), "SRv6 VPNs of layer 2", "Linux 6.1"),
    ("srv6-end", route("seg6local action End"), "SRv6 routers", _OTHER_KERNEL),
    ("srv6-end-x", route("seg6local action End.X nh6 fc00::1"), "SRv6 routers", _OTHER_KERNEL),
    ("srv6-end-dx2", route("seg6local action End.DX2 oif bl-probe"), "SRv6 VPNs of layer 2", _OTHER_KERNEL),
    ("srv6-end-dx4", route("seg6local action End.DX4 nh4 192.0.2.1"), "SRv6 VPNs for IPv4", _OTHER_KERNEL),
    ("srv6-end-dx6", route("seg6local action End.DX6 nh6 fc00::1"), "nothing yet", _OTHER_KERNEL),
    ("srv6-end-dt6", route("seg6local action End.DT6 table 254"), "SRv6 VPNs for IPv6", _OTHER_KERNEL),
    ("srv6-end-dt4", vrf_route(_END_DT4, _DT4_TABLE), "SRv6 VPNs for IPv4", "needs vrf"),
    ("srv6-end-dt46", vrf_route(_END_DT46, _DT4_TABLE), "SRv6 VPNs, one SID a router", "needs vrf"),
    ("srv6-end-b6-encaps", route("seg6local action End.B6.Encaps srh segs fc00::1"), "binding SIDs", _OTHER_KERNEL),
    ("srv6-psp", route("seg6local action End flavors psp"), "nothing yet", "Linux 6.3"),
    ("srv6-usp", route("seg6local action End flavors usp"), "nothing yet", "no kernel has it so far"),
    ("srv6-usd", route("seg6local action End flavors usd"), "nothing yet", "no kernel has it so far"),
    ("srv6-next-csid", route(_NEXT_CSID), "micro-SIDs", "Linux 6.1, iproute2 6.1"),
    ("srv6-end-x-csid", route(_END_X_NEXT_CSID), "micro-SIDs", "Linux 6.6, iproute2 6.1"),
    ("tc-bpf", tc_bpf, "user plane ebpf", "a kernel with BPF, and libbpf1"),
    ("clang", program(("clang", "--version")), "building user plane ebpf", "apt install clang"),
    ("ovs-kernel", ovs_datapath, "fast CPEs", "modprobe openvswitch"),
    ("wireguard", link("wireguard"), "fast encrypted transports", "modprobe wireguard"),
    ("wireguard-go", program(("wireguard-go", "--version")), "encrypted transports", "apt install wireguard-go"),
    ("wg", program(("wg", "--version")), "encrypted transports", "apt install wireguard-tools"),
    ("gtp", link("gtp", "role sgsn"), "nothing yet", "modprobe gtp"),
    ("sched-fifo", sched_fifo, "steady timing of links", "in a container: --cap-add SYS_NICE"),
    ("tshark", program(("tshark", "-v")), "path proof, dissection", "apt install tshark"),
    ("iperf3", program(("iperf3", "-v")), "throughput workloads", "apt install iperf3"),
)

CHECKS = {
    name: Check(name, probe, needed_by, remedy, required)
    for required, rows in ((True, _REQUIRED), (False, _OPTIONAL))
    for name, probe, needed_by, remedy in rows
}
"""Name → check, the required ones first."""
