"""User planes of the UPF: each takes `Rules` and moves packets between GTP-U and N6.

base.py        the Protocol that control speaks to
forwarding.py  a packet's way through the rules; no I/O
buffering.py   the queue of a FAR that buffers
metering.py    token buckets and meters
python.py      portable: a thread, a UDP socket and TUN devices
n6.py          a TUN device in the kernel
"""
