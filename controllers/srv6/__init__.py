"""SRv6 under one controller: the pure core. Values in, values out; no I/O and no clock.

Words: a *SID* (RFC 8986) is an IPv6 address that stands for a *behaviour* at a node; its first bits are the node's
*locator*, which the IGP routes. A *segment list* is SIDs in the order in which they are visited; the *headend* puts it
into the SRH. An *SR Policy* (RFC 9256) is known by headend, *color* (the intent) and *endpoint*; of its *candidate
paths* the valid one with the highest *preference* is *active*, and a *binding SID* stands for it. A *C-SID* (RFC 9800;
micro-SID) is 16 bits of a SID; a *container* holds up to six of them behind one block. *TI-LFA* (RFC 9855): the *PLR*
next to a failure sends packets along the *post-convergence path* at once, by a *repair list*. *SRLG*: links that fail
together; *affinity*: a link's colour by which paths take it in or keep it out.

lsdb.py      nodes and links as advertised; an event gives a new value
paths.py     SPF with ECMP, flex-algo, paths within a delay bound
sids.py      locators, SIDs and their allocation         containers.py  C-SIDs packed into containers and out again
segments.py  the fewest segments that pin a path; what they cost of the MTU
policy.py    SR Policies as values                       reservations.py  bandwidth that policies hold
dynamic.py   dynamic paths, and which constraint it is that nothing meets
selection.py all policies over one database: validity with reasons, active and standby candidate path
tilfa.py     repair lists against failures of a link, a node or an SRLG

network.py   what the controller is given                fib.py       what a router has, and the way to another state
planes.py    the IGP and the flex-algos                  services.py  SIDs and routes of the tenants' VPNs
view.py      one moment of the network; rendering.py makes every router's state of it, with igp.py and tenants.py
ordering.py  from state to state without microloops      telemetry.py  measured delays and silence, damped
controller.py  events in, programs out
"""
