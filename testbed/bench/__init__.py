"""What this machine can do, against a baseline measured in the same run: figures and ratios, never assertions.

figures.py  the values of a result and its JSON        boot.py  start and stop of topologies against stock Mininet
"""
