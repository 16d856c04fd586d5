"""Overlay and underlay scheduled together: the pure core. A state in, a plan out; no I/O and no clock.

Words: a *demand* is an application's flow from one CPE to another, with an *SLA* (MEF 70's performance objectives). A
*tunnel* carries demands over a *transport*; one over the private transport rides an *SR Policy*, chosen among its
colors, and the policy takes one of its *routes* through the underlay. A *way* is all of that for one demand: tunnel,
policy, route. Demands take *resources*: access links of sites, links of the underlay. A *placement* says which tunnel
each demand, which policy each tunnel and which route each policy has; a *move* changes one of these.

quality.py    SLAs, what was measured, and which bound is broken by how much
model.py      the state of overlay and underlay as values, and what a plan is
problem.py    one state and mode as integers: who may move where, and what each way gives
assignment.py a placement that moves and goes back, with its objective kept up to date
heuristic.py  a plan in a fraction of a second, for a thousand demands
exact.py      the best plan, in time for small states; the only module that imports HiGHS
ordering.py   the order of moves: make before break, underlay before what depends on it
planner.py    state and mode in, plan out          explain.py  a sentence for each move and each violation

The objective, each line only among plans that are equal in those above it:
1. violations: over all demands, weight × severity (`quality.severity`: 100 for a broken bound, 200 for no service)
2. overrun: bit/s above the capacity of resources. No plan loads a resource above the greater of its capacity and the
   load that it had, so there is overrun only where it already was.
3. rank: over all demands, weight × how many transports it prefers to the one that it takes; 0 for those that take the
   cheapest
4. cost: over all demands, rate × (price of the transport + cost of the route), and for each move the stated share
   (`Problem.saving`) of what it moves costs now. So nothing moves for a saving below that share.
5. the number of moves
"""
