"""The running lab without Mininet: namespaces, links, processes, and the ledger that lets a crash be cleaned up.

names.py      what a run's namespaces are called        ledger.py    what a run has made, on disk, and who owns it
proc.py       processes that a reused pid cannot fool   clean.py     removal of what a ledger records, and nothing else
base.py       a lab's base namespace, and its end       kernel.py    sysctls and offloads of one namespace
ipbatch.py    a plan as `ip -batch` scripts, pure       processes.py starts, watches and stops the plan's processes
build.py      makes a plan's namespaces and links       engine.py    the link engine in the base namespace
"""
