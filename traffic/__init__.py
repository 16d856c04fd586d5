"""Probes, services and captures: what is measured and with what.

stamp          RFC 8762 without I/O            stamp_sender   `python -m`: probes on a schedule, samples to a file
serve          `python -m`: HTTP and STAMP     http_probe     `python -m`: timed HTTP requests, samples to a file
samples        the lines of samples files      statistics     what a time window of samples says
capture        dumpcap's command line          pcapng         reads what dumpcap wrote
gtpu           IP and UDP, plain or in GTP-U   pathproof      the hops that one probe took
flowcount      counters of one flow on a link, in the kernel
process        events and signals of the `python -m` processes, and their sockets' kernel receive stamps
"""
