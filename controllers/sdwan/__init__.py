"""The SD-WAN overlay's core: what runs in CPEs (MEF 70), decided without any I/O.

An *edge* is a CPE with its own Open vSwitch. A *transport* is an underlay service that edges are attached to. An
*overlay tunnel* is one direction of a VXLAN tunnel (RFC 7348) between two edges over one transport. An *application* is
a set of flows, and its *SLA class* says what they need. A *demand* is an application's traffic from one edge to
another; its *placement* is the tunnels that carry it.

network.py     what the controller is given, as values
bandwidth.py   what is free on tunnels, from what switches count
"""
