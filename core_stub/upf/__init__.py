"""The UPF (TS 23.501 §6.2.3): control over N4, packets between N3, N9 and N6.

A request becomes a session, the session becomes rules, the rules go to a user plane; what happens there comes back as
events, and what that says to the CP function leaves as reports. All of it is pure, down to the shell and the planes:

flow.py, sdf.py  packets to flows; flow descriptions to matchers of them
rules.py         the rule model that control hands to a user plane, and the events that come back
session.py       a session as a value, and what creations, updates and removals (tables.py) make of it
resolve.py       a session to rules; its FARs and BARs in actions.py
networks.py      Network Instances: devices and UE address pools
predefined.py    predefined rules and applications (PFDs)
identifiers.py   which TEID and UE address is whose
usage.py         a URR's usage as a value; all of a session in accounting.py
store.py         the table of sessions, and the one way in which one changes
control.py       requests in, responses out
reporting.py     events in, reports out; timers.py
shell.py         control on an event loop
userplane/       what moves the packets
config.py        the configuration file
management.py    the management API
__main__.py      the process
"""
