"""PFCP (3GPP TS 29.244), the protocol of N4.

Glossary: the CP function is the SMF, the UP function the UPF. A *node* message concerns the association of the two,
a *session* message one PFCP session, found by the receiver's SEID in the header. PDR: packet detection rule, with its
PDI (what to match). FAR: forwarding action rule. QER: QoS enforcement rule. URR: usage reporting rule. BAR: buffering
action rule. F-SEID and F-TEID: an SEID or TEID together with the address where it is valid.

ies/                 information elements as frozen values
messages.py          messages as frozen values (node_messages.py, session_messages.py)
codec/               bytes ↔ messages; of it only reference.py imports pycrate
transactions.py      retransmission (T1, N1), duplicate detection; no I/O
association.py       the association as a table; no I/O
node.py              the node procedures: set-up, update, release, heartbeats; no I/O
events.py            what an endpoint is told and tells
endpoint.py          all of these together: datagrams in, datagrams and events out; no I/O
udp.py               the thin asyncio shell around it
"""
