"""What the user wrote, validated.

model.py        the scenario's shape (pydantic)     schema.py  its JSON Schema, shipped for editors
impairment.py   what links do; steps.py: the timeline's steps; base.py: what all of them are made of
expectation.py  `before.ue1-portal.rtt_ms.p50 > 20 ms`, parsed
template.py     Jinja2 (`.j2`) and YAML to plain data, with file and line in every error
files.py        jitter tables and traces that links name
load.py         all of it together: file → Scenario, all problems at once
"""
