"""The running lab without Mininet: namespaces, links, processes, and the ledger that lets a crash be cleaned up.

names.py      what a run's namespaces are called        ledger.py    what a run has made, on disk, and who owns it
proc.py       processes that a reused pid cannot fool   clean.py     removal of what a ledger records, and nothing else
ipbatch.py    a plan as `ip -batch` scripts, pure       kernel.py    sysctls and offloads of one namespace
build.py      makes a plan's namespaces and links       processes.py starts, watches and stops the plan's processes
"""
