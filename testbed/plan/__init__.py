"""Scenario and graph → Plan: everything decided, nothing done; no root, no I/O.

model.py       the values       profiles.py   what each link does, from tier presets and overrides
addressing.py  MACs, subnets, addresses          routing.py   shortest paths by delay, routes
processes.py   network functions, services and probes, with their configuration
references.py  names and addresses that do not fit together, all of them at once
connectivity.py  nodes that a scenario needs and that nothing leads to
planner.py     the order of these
"""
