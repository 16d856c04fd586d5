"""The SDN controller: OpenFlow 1.3 to the CPEs' switches, on os-ken.

Words: a *datapath* is a switch as OpenFlow sees it, named by its 64-bit *dpid*; a *flow* is a row of one of its tables;
a *packet-in* is a packet that a flow sent up to the controller.

flows.py     what is to be in a flow table, as frozen values           openflow.py  those values → OpenFlow 1.3 messages
srv6/        the core of the SRv6 underlay: paths, SR Policies, SIDs, TI-LFA, without I/O
learning.py  the core of the learning switch, without I/O              apps/        os-ken apps: shims around the cores
osken.py     the fence around os-ken, which has no types               ovs.py       a private Open vSwitch for each CPE
launch.py    `python -m controllers.launch`: the controller's process
ryu_alias.py, appfile.py  `ryu` as a name of os-ken, and applications in files of the user's
"""
