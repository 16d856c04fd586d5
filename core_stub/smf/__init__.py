"""The SMF: UE addresses, PDU sessions, QoS flows, charging, and the UL CL that takes traffic out at the edge.

config.py      the YAML file, named after Open5GS's keys where it has them
pools.py       UE addresses of a DNN; no I/O
session.py     a session as a frozen value, its states as a table
charging.py    URRs, and what they report by rating group; pure
rulesets.py    the rules of a session at each of its UPFs, derived from the session alone; pure
rules.py       the PFCP messages of each situation; pure
selection.py   which UPF, by DNN, DNAI and load; pure
run.py         what a procedure is made of: the ports N4 and Ran, steps that are reported and undone on failure
procedures/    TS 23.502 as coroutines
store.py       sessions on disk
table.py       sessions by reference, UE and SEID; addresses; write-through to the store
core.py        what the following share: one procedure at a time per session, events, tasks in the background
placement.py   pool, address and PSA of a new session
reports.py     what UPFs report: paging, usage and quota, error indications
restoration.py UPFs that restart or die
service.py     `Smf`: what gNB, lab and policy can ask for
n4.py          the port N4 over a PFCP node; keeps every UPF associated
ran.py         the port Ran over HTTP
api/           the HTTP APIs: Nsmf_PDUSession for the gNB, management on a Unix socket
"""
