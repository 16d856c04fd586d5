"""User planes of the UPF: each takes `Rules` and moves packets between GTP-U and N6.

base.py    the Protocol that control speaks to
python.py  portable: a thread, a UDP socket and a TUN device
"""
