"""What the user wrote, validated.

model.py        the scenario's shape (pydantic)     schema.py  its JSON Schema, shipped for editors
expectation.py  `before.ue1-portal.rtt_ms.p50 > 20 ms`, parsed
template.py     Jinja2 (`.j2`) and YAML to plain data, with file and line in every error
load.py         the three together: file → Scenario, all problems at once
"""
