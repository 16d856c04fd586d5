"""The gNB stub: a radio that is a wire. UEs attach by an API call, and their packets go to the UPF in GTP-U.

config.py     the configuration file
userplane.py  packets between the UEs' interfaces and N3, on a thread of their own
arp.py        answers to the UEs' ARP requests; no I/O
smf.py        the SMF's API as this gNB calls it
service.py    PDU sessions: attach, detach, idle and paging, path switch, handover
api.py        what the SMF, other gNBs and the management socket call
__main__.py   the process
"""
