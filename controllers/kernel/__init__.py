"""The controller's hands: what it hears from the routers' kernels, and what it writes into them.

commands.py   processes in namespaces, several at once
rtnetlink.py  link events and namespaces' numbers, as bytes
monitor.py    the interfaces of all routers, as they come and go
adjacency.py  when a link that is up again can be used
prepare.py    what a router needs once
install.py    programs of routes, the newest first
readback.py   what a router has, as a `fib.RouterState`
counters.py   packets and bytes for each SID
"""
