"""Tiers, topologies and the Mininet classes that build them. The only package that imports mininet.

tiers.py     presets per tier          backbone.py  real maps (topohub)
metro.py     the topology `metro`      file.py      topologies from files
catalogue.py  a scenario's `topology` → graph
nodes.py, network.py  Mininet's side
"""
