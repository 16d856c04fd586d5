"""The controller's REST API over a Unix socket: topology, policies, paths, counters. JSON, described by OpenAPI 3.1.

endpoints.py  what there is: one row for each endpoint        openapi.py  the same as an OpenAPI document
bodies.py     policies as clients write them                  answers.py  what clients get
views.py      the core's values as answers                    walk.py     the way of a packet, node by node
measurement.py  what is to be measured, and what was found    store.py    policies that outlive the process
problems.py   errors as problem details (RFC 9457)            server.py   the thread that serves
"""
