"""What this host can do, found by doing it: each capability is tried where nothing of it stays.

capability.py  the values               table.py      every capability: who needs it, how to get it, how to try it
kernel.py      probes of the kernel     programs.py   probes of programs
rendering.py   `render`, `to_json`      probing.py    `probe_all`, `probe`, `present`, `require`, `missing_required`
"""

from testbed.doctor.capability import Capability
from testbed.doctor.probing import missing_required, present, probe, probe_all, require
from testbed.doctor.rendering import render, to_json

__all__ = ["Capability", "missing_required", "present", "probe", "probe_all", "render", "require", "to_json"]
