"""Tiers, topologies and the Mininet classes that build them. The only package that imports mininet.

tiers.py     presets per tier          backbone.py  real maps (topohub)
metro.py     the topology `metro`      file.py      topologies from files
importers.py, graphml.py, edgelist.py    topologies in formats of others
catalogue.py  a scenario's `topology` → graph
nodes.py, network.py       a plan as a Mininet that is built in bulk, and its CLI: shell.py
stock.py, stock_links.py   a plan for Mininet's own `mn --custom`
"""
