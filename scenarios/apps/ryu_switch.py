"""A learning switch as a Ryu application, with nothing of Bearerlab in it: OpenFlow 1.3, one flow a destination.

A packet for an address that has been seen goes to the port where it was seen, and a flow does so for the ones after it;
any other is flooded. Flows end after a minute without packets.
"""

from ryu.base import app_manager
from ryu.controller import ofp_event
from ryu.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from ryu.lib.packet import ether_types, ethernet, packet
from ryu.ofproto import ofproto_v1_3

TABLE_MISS = 0
KNOWN = 10
IDLE_S = 60


class RyuSwitch(app_manager.RyuApp):
    """One MAC table for each switch."""

    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]  # noqa: RUF012 - as Ryu applications write it

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.port_of = {}

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def switch_features(self, ev):
        """A switch has connected: what no flow knows comes to the controller."""
        datapath = ev.msg.datapath
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        self.port_of[datapath.id] = {}
        self.add_flow(datapath, TABLE_MISS, parser.OFPMatch(), ofproto.OFPP_CONTROLLER)
        self.logger.info("switch %016x is ours", datapath.id)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, ev):
        """Learn where the source is, and send the packet to where its destination is, or everywhere."""
        message = ev.msg
        datapath = message.datapath
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        frame = packet.Packet(message.data).get_protocol(ethernet.ethernet)
        if frame is None or frame.ethertype == ether_types.ETH_TYPE_LLDP:
            return

        in_port = message.match["in_port"]
        table = self.port_of.setdefault(datapath.id, {})
        table[frame.src] = in_port
        out_port = table.get(frame.dst, ofproto.OFPP_FLOOD)
        if out_port != ofproto.OFPP_FLOOD:
            match = parser.OFPMatch(in_port=in_port, eth_src=frame.src, eth_dst=frame.dst)
            self.logger.info("switch %016x: %s is at port %d", datapath.id, frame.dst, out_port)
            self.add_flow(datapath, KNOWN, match, out_port, IDLE_S)

        data = message.data if message.buffer_id == ofproto.OFP_NO_BUFFER else None
        out = parser.OFPPacketOut(
            datapath=datapath,
            buffer_id=message.buffer_id,
            in_port=in_port,
            actions=[parser.OFPActionOutput(out_port)],
            data=data,
        )
        datapath.send_msg(out)

    @staticmethod
    def add_flow(datapath, priority, match, port, idle_s=0):
        """Have the switch send what matches out of a port."""
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        actions = [parser.OFPActionOutput(port, ofproto.OFPCML_NO_BUFFER)]
        instructions = [parser.OFPInstructionActions(ofproto.OFPIT_APPLY_ACTIONS, actions)]
        flow = parser.OFPFlowMod(
            datapath=datapath, priority=priority, match=match, instructions=instructions, idle_timeout=idle_s
        )
        datapath.send_msg(flow)
