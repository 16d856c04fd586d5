"""Tiers, topologies and the Mininet classes that build them. The only package that imports mininet."""
