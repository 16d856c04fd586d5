"""Makes what a plan says: namespaces, links, addresses, routes, bridges. Quick, because everything goes in bulk."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from testbed import netns
from testbed.errors import RunInvalidError
from testbed.lab import ipbatch, kernel
from testbed.lab.ledger import Ledger
from testbed.lab.names import Names
from testbed.plan.model import Plan, PlannedNode

_FAILED_LINE = re.compile(r"^Command failed .*:(\d+)$", re.MULTILINE)


def build(plan: Plan, names: Names, ledger: Ledger) -> None:
    """Make the nodes' namespaces, and everything in them and in the base namespace, which is there.

    RunInvalidError names the `ip` line that failed.
    """
    offloads = ipbatch.without_offloads(plan)
    sysctls = {names.namespace(node.name): ipbatch.sysctls(node) for node in plan.nodes}

    def create(namespace: str) -> None:
        ledger.namespace(namespace)
        netns.create(namespace)
        with netns.entered(namespace):
            kernel.write_sysctls(sysctls[namespace])

    def configure(node: PlannedNode) -> None:
        namespace = names.namespace(node.name)
        with netns.entered(namespace):
            run_ip(ipbatch.node_script(node), where=namespace)
            kernel.disable_offloads(offloads[node.name])

    # The threads only wait, for the kernel or for `ip`; each enters the namespace that it works on.
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(create, sysctls))
        with netns.entered(names.base):
            run_ip(ipbatch.links_script(plan, names), where="links")
            run_ip(ipbatch.base_script(plan, names), where=names.base)
        list(pool.map(configure, plan.nodes))


def run_ip(script: str, *, where: str) -> None:
    """Run a batch in the namespace of the calling thread; RunInvalidError tells the line that failed and why."""
    result = subprocess.run(["ip", "-batch", "-"], input=script, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return
    # Lines that `ip` cannot parse end it without a line number; its message then says what it stumbled over.
    failed = _FAILED_LINE.search(result.stderr)
    at = f" at: ip {script.splitlines()[int(failed[1]) - 1]}" if failed else ""
    raise RunInvalidError(f"setting up {where} failed{at}", process="ip", log_tail=tuple(result.stderr.splitlines()))
