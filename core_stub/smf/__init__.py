"""The SMF: UE addresses, PDU sessions, and the UL CL that takes a session's traffic out at the edge.

config.py      the YAML file, named after Open5GS's keys where it has them
pools.py       UE addresses of a DNN; no I/O
session.py     a session as a frozen value, its states as a table
rules.py       the PFCP messages and rules of each situation; pure
run.py         what a procedure is made of: the ports N4 and Ran, steps that are reported and undone on failure
procedures.py  TS 23.502 as coroutines
service.py     `Smf`: sessions, one procedure at a time each, and who may do what when
n4.py          the port N4 over a PFCP node; keeps every UPF associated
ran.py         the port Ran over HTTP
api.py         the HTTP APIs: Nsmf_PDUSession for the gNB, management on a Unix socket
"""
