"""Procedures of TS 23.502 on one PDU session, each a coroutine from the session as it is to the session as it becomes.

steps.py        messages on N4 as steps
lifecycle.py    establishment, activation and path switch, deactivation, release, and quota in between
flows.py        QoS flows
ulcl.py         insertion, relocation and removal of a UL CL
recovery.py     what follows when a UPF has restarted or died

All are make before break: the new path is complete before the first packet is sent to it, and the old one stays for a
guard time, so that packets on their way find it. A failure raises ProcedureError; run.py says what is undone when.
"""
