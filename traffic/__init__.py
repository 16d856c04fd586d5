"""Probes, services and captures: what is measured and with what.

stamp         RFC 8762 without I/O              stamp_sender  `python -m`: STAMP probes on a schedule
serve         `python -m`: HTTP and STAMP       http_probe    `python -m`: timed HTTP requests
linkframes    frames of link probes, no I/O   link_probe    `python -m`: the probe of all links
samples       the lines of samples files        statistics    what a time window of samples says
capture       dumpcap's command line            pcapng        reads what dumpcap wrote
dissect       UDP, plain or inside GTP-U        pathproof     the hops that one probe took
flowcount     counts one flow, in the kernel
process       signals and arguments             sockets       with the kernel's receive stamps
"""
