"""The UPF (TS 23.501 §6.2.3): control over N4, packets between N3, N9 and N6.

sdf.py       flow descriptions to matchers
rules.py     the rule model that control hands to a user plane
session.py   a session as a value, and what creations, updates and removals make of it; no I/O
resolve.py   a session to the rules of a user plane; no I/O
control.py   the table of sessions: requests in, responses out, rules to the user plane; no I/O
userplane/   what moves the packets
config.py    the configuration file
management.py the management API
__main__.py  the process
"""
