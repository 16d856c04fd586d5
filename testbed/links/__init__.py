"""Link engines: what makes a veth pair behave like 1,976 km of fibre.

profile.py  `LinkProfile`, what a direction of a link does to packets
engine.py   `LinkEngine`, what every engine offers, and the choice between them by probing
netem.py    kernel qdiscs          wire.py, wire_src/  a small user-space engine where the kernel has no netem
"""
