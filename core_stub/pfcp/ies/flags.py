"""What is any of several: features, triggers, actions and the other bit fields of TS 29.244 (Rel-16).

Octet 5 is the low byte, then upwards, unless a class says otherwise. Bits of a later release are kept as they are.
"""

from __future__ import annotations

from enum import IntFlag


class ApplyAction(IntFlag):
    """§8.2.26; two octets on the wire, in the order DROP FORW BUFF NOCP DUPL IPMA IPMD DFRT | EDRT BDPN DDPN."""

    DROP = 0x01
    FORW = 0x02
    BUFF = 0x04
    NOCP = 0x08
    DUPL = 0x10
    IPMA = 0x20
    IPMD = 0x40
    DFRT = 0x80
    EDRT = 0x100
    BDPN = 0x200
    DDPN = 0x400


class UpFeatures(IntFlag):
    """UP Function Features (§8.2.25)."""

    BUCP = 0x0001
    DDND = 0x0002
    DLBD = 0x0004
    TRST = 0x0008
    FTUP = 0x0010
    PFDM = 0x0020
    HEEU = 0x0040
    TREU = 0x0080
    EMPU = 0x0100
    PDIU = 0x0200
    UDBC = 0x0400
    QUOAC = 0x0800
    TRACE = 0x1000
    FRRT = 0x2000
    PFDE = 0x4000
    EPFAR = 0x8000
    DPDRA = 0x01_0000
    ADPDP = 0x02_0000
    UEIP = 0x04_0000
    SSET = 0x08_0000
    MNOP = 0x10_0000
    MTE = 0x20_0000
    BUNDL = 0x40_0000
    GCOM = 0x80_0000
    MPAS = 0x100_0000
    RTTL = 0x200_0000
    VTIME = 0x400_0000
    NORP = 0x800_0000
    IPTV = 0x1000_0000
    IP6PL = 0x2000_0000
    TSCU = 0x4000_0000
    MPTCP = 0x8000_0000
    ATSSS_LL = 0x1_0000_0000
    QFQM = 0x2_0000_0000
    GPQM = 0x4_0000_0000
    MT_EDT = 0x8_0000_0000
    CIOT = 0x10_0000_0000
    ETHAR = 0x20_0000_0000
    DDDS = 0x40_0000_0000
    RDS = 0x80_0000_0000
    RTTWP = 0x100_0000_0000
    QUASF = 0x200_0000_0000
    NSPOC = 0x400_0000_0000


class CpFeatures(IntFlag):
    """CP Function Features (§8.2.58)."""

    LOAD = 0x01
    OVRL = 0x02
    EPFAR = 0x04
    SSET = 0x08
    BUNDL = 0x10
    MPAS = 0x20
    ARDR = 0x40
    UIAUR = 0x80
    PSUCC = 0x100


class OuterHeaderCreationDescription(IntFlag):
    """Octets 5 and 6 of Outer Header Creation (§8.2.56), octet 5 in the high byte."""

    GTPU_UDP_IPV4 = 0x0100
    GTPU_UDP_IPV6 = 0x0200
    UDP_IPV4 = 0x0400
    UDP_IPV6 = 0x0800
    IPV4 = 0x1000
    IPV6 = 0x2000
    N19 = 0x0001
    N6 = 0x0002


class MeasurementMethod(IntFlag):
    """§8.2.40."""

    DURAT = 1
    VOLUM = 2
    EVENT = 4


class ReportingTriggers(IntFlag):
    """§8.2.19: when a URR reports."""

    PERIO = 0x01
    VOLTH = 0x02
    TIMTH = 0x04
    QUHTI = 0x08
    START = 0x10
    STOPT = 0x20
    DROTH = 0x40
    LIUSA = 0x80
    VOLQU = 0x100
    TIMQU = 0x200
    ENVCL = 0x400
    MACAR = 0x800
    EVETH = 0x1000
    EVEQU = 0x2000
    IPMJL = 0x4000
    QUVTI = 0x8000
    REEMR = 0x1_0000


class UsageReportTrigger(IntFlag):
    """§8.2.41: why a usage report was made. Its bits are *not* those of Reporting Triggers."""

    PERIO = 0x01
    VOLTH = 0x02
    TIMTH = 0x04
    QUHTI = 0x08
    START = 0x10
    STOPT = 0x20
    DROTH = 0x40
    IMMER = 0x80
    VOLQU = 0x100
    TIMQU = 0x200
    LIUSA = 0x400
    TERMR = 0x800
    MONIT = 0x1000
    ENVCL = 0x2000
    MACAR = 0x4000
    EVETH = 0x8000
    EVEQU = 0x1_0000
    TEBUR = 0x2_0000
    IPMJL = 0x4_0000
    QUVTI = 0x8_0000
    EMRRE = 0x10_0000


class MeasurementInformation(IntFlag):
    """§8.2.68."""

    MBQE = 0x01
    INAM = 0x02
    RADI = 0x04
    ISTM = 0x08
    MNOP = 0x10
    SSPOC = 0x20
    ASPOC = 0x40


class UsageInformation(IntFlag):
    """§8.2.59: which part of the usage a report is about."""

    BEF = 1
    AFT = 2
    UAE = 4
    UBE = 8


class ReportType(IntFlag):
    """§8.2.21."""

    DLDR = 0x01
    USAR = 0x02
    ERIR = 0x04
    UPIR = 0x08
    TMIR = 0x10
    SESR = 0x20
    UISR = 0x40


class NodeReportType(IntFlag):
    """§8.2.69."""

    UPFR = 1
    UPRR = 2
    CKDR = 4
    GPQR = 8


class IpVersion(IntFlag):
    """§8.2.177."""

    V4 = 1
    V6 = 2


class AssociationReleaseFlags(IntFlag):
    """PFCP Association Release Request IE (§8.2.77)."""

    SARR = 1
    URSS = 2


class AsRspFlags(IntFlag):
    """PFCPASRsp-Flags (§8.2.134). PSREI: the sessions of the association before were retained."""

    PSREI = 1
    UUPSI = 2


class AuReqFlags(IntFlag):
    """PFCPAUReq-Flags (§8.2.120). PARPS: the association is about to be released."""

    PARPS = 1


class SeReqFlags(IntFlag):
    """PFCPSEReq-Flags (§8.2.136). RESTI: the session is restored after a restart of the UP function."""

    RESTI = 1
    SUMPC = 2


class SmReqFlags(IntFlag):
    """PFCPSMReq-Flags (§8.2.31). DROBU: drop what is buffered; QAURR: report on all URRs now."""

    DROBU = 1
    SNDEM = 2
    QAURR = 4


class SrReqFlags(IntFlag):
    """PFCPSRReq-Flags (§8.2.119). PSDBU: the UP function has deleted the session."""

    PSDBU = 1


class SrRspFlags(IntFlag):
    """PFCPSRRsp-Flags (§8.2.32). DROBU: drop what is buffered."""

    DROBU = 1


class OciFlags(IntFlag):
    """OCI Flags (§8.2.76). AOCI: the overload information is about the whole association."""

    AOCI = 1
