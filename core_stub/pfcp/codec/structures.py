"""The other IEs that consist of several parts, as tables where they are regular (TS 29.244 §8.2)."""

from __future__ import annotations

import math

from core_stub.pfcp.codec.leaf import (
    OCTETS16,
    RATE,
    TEXT8,
    TEXT16,
    U8,
    U16,
    U24,
    U32,
    U64,
    Leaf,
    Part,
    counted,
    fixed,
    flagged,
    from_text,
    listed,
    require,
    to_text,
)
from core_stub.pfcp.ies import (
    AdditionalUsageReports,
    DlFlowLevelMarking,
    DownlinkDataServiceInformation,
    DroppedDlTrafficThreshold,
    FlowDirection,
    FlowInformation,
    GateStatus,
    PacketRate,
    PacketRateLimit,
    PfdContents,
    RateUnit,
    RedirectAddressType,
    RedirectInformation,
    RuleType,
    SdfFilter,
    UserId,
    Volume,
    VolumeMeasurement,
)

# -- filters ----------------------------------------------------------------------------------------------------------


def _matches_something(sdf: SdfFilter) -> None:
    require(sdf != SdfFilter(), "a flow description, an SDF filter ID or another thing to match")


_FLOW_DESCRIPTION = counted(2, lambda value: value.encode("ascii"), lambda octets: octets.decode("ascii"))
SDF_FILTER = flagged(
    SdfFilter,
    Part("flow_description", 0x01, _FLOW_DESCRIPTION),
    Part("traffic_class", 0x02, U16),
    Part("spi", 0x04, U32),
    Part("flow_label", 0x08, U24),
    Part("bidirectional_id", 0x10, U32),
    head=2,
    check=_matches_something,
)
PFD_CONTENTS = flagged(
    PfdContents,
    Part("flow_description", 0x01, _FLOW_DESCRIPTION),
    Part("url", 0x02, TEXT16),
    Part("domain_name", 0x04, TEXT16),
    Part("custom", 0x08, OCTETS16),
    Part("domain_name_protocol", 0x10, TEXT16),
    Part("additional_flow_descriptions", 0x20, listed(_FLOW_DESCRIPTION)),
    Part("additional_urls", 0x40, listed(TEXT16)),
    head=2,
)


def _encode_flow(flow: FlowInformation) -> bytes:
    return bytes([flow.direction]) + _FLOW_DESCRIPTION.write(flow.flow_description)


def _decode_flow(octets: bytes) -> FlowInformation:
    direction, at = U8.read(octets, 0)
    return FlowInformation(FlowDirection(direction & 0x07), _FLOW_DESCRIPTION.read(octets, at)[0])


FLOW_INFORMATION = Leaf(_encode_flow, _decode_flow)

# -- usage ------------------------------------------------------------------------------------------------------------

VOLUME = flagged(Volume, Part("total", 0x01, U64), Part("uplink", 0x02, U64), Part("downlink", 0x04, U64))
VOLUME_MEASUREMENT = flagged(
    VolumeMeasurement,
    Part("total", 0x01, U64),
    Part("uplink", 0x02, U64),
    Part("downlink", 0x04, U64),
    Part("total_packets", 0x08, U64),
    Part("uplink_packets", 0x10, U64),
    Part("downlink_packets", 0x20, U64),
)
DROPPED_DL_TRAFFIC_THRESHOLD = flagged(
    DroppedDlTrafficThreshold, Part("packets", 0x01, U64), Part("octets", 0x02, U64)
)  # fmt: skip

_AURI = 0x8000


def _encode_additional(additional: AdditionalUsageReports) -> bytes:
    require(0 <= additional.reports < _AURI, "a number of 15 bits")
    return U16.write(additional.reports | (_AURI if additional.is_undetermined else 0))


def _decode_additional(octets: bytes) -> AdditionalUsageReports:
    value = U16.read(octets, 0)[0]
    return AdditionalUsageReports(bool(value & _AURI), value & ~_AURI)


ADDITIONAL_USAGE_REPORTS = Leaf(_encode_additional, _decode_additional)

# -- QoS --------------------------------------------------------------------------------------------------------------


def _decode_gates(octets: bytes) -> tuple[GateStatus, GateStatus]:
    gates = U8.read(octets, 0)[0]
    return GateStatus(gates >> 2 & 0x03), GateStatus(gates & 0x03)


def _decode_rates(octets: bytes) -> tuple[int, int]:
    uplink, at = RATE.read(octets, 0)
    return uplink, RATE.read(octets, at)[0]


GATE_STATUS = Leaf(lambda gates: bytes([gates[0] << 2 | gates[1]]), _decode_gates)
BIT_RATES = Leaf(lambda rates: RATE.write(rates[0]) + RATE.write(rates[1]), _decode_rates)

_PACKET_RATE_LIMIT = fixed(
    3,
    lambda limit: bytes([limit.unit]) + U16.write(limit.packets),
    lambda octets: PacketRateLimit(int.from_bytes(octets[1:]), RateUnit(octets[0] & 0x07)),
)
PACKET_RATE = flagged(
    PacketRate, Part("uplink", 0x01, _PACKET_RATE_LIMIT), Part("downlink", 0x02, _PACKET_RATE_LIMIT)
)  # fmt: skip
DL_FLOW_LEVEL_MARKING = flagged(
    DlFlowLevelMarking, Part("traffic_class", 0x01, U16), Part("service_class", 0x02, U16)
)  # fmt: skip


def _six_bits(value: int) -> bytes:
    require(0 <= value < 64, "a number of 6 bits")
    return bytes([value])


_SIX_BITS = fixed(1, _six_bits, lambda octets: octets[0] & 0x3F)
DOWNLINK_DATA_SERVICE_INFORMATION = flagged(
    DownlinkDataServiceInformation,
    Part("paging_policy_indication", 0x01, _SIX_BITS),
    Part("qfi", 0x02, _SIX_BITS),
)

# -- timers -----------------------------------------------------------------------------------------------------------

_UNITS = (2, 60, 600, 3600, 36000)
"""Seconds of the timer units 0 to 4 (§8.2.29)."""
_INFINITE, _LARGEST_COUNT = 7, 31


def _encode_timer(seconds: float) -> bytes:
    """In the smallest unit that holds it, rounded up."""
    require(seconds >= 0, "no time before now")
    if math.isinf(seconds):
        return bytes([_INFINITE << 5])
    for unit, length in enumerate(_UNITS):
        count = math.ceil(seconds / length)
        if count <= _LARGEST_COUNT:
            return bytes([unit << 5 | count])
    raise ValueError(f"want at most {_UNITS[-1] * _LARGEST_COUNT} s, or infinity")


def _decode_timer(octets: bytes) -> float:
    value: int = U8.read(octets, 0)[0]
    unit, count = value >> 5, value & _LARGEST_COUNT
    if unit == _INFINITE:
        return math.inf
    # Other units are read as minutes (§8.2.29).
    return count * (_UNITS[unit] if unit < len(_UNITS) else 60)


TIMER = Leaf(_encode_timer, _decode_timer)

_DELAY_UNIT_MS = 50


def _encode_delay(milliseconds: int) -> bytes:
    require(milliseconds % _DELAY_UNIT_MS == 0, "a multiple of 50 ms")
    return U8.write(milliseconds // _DELAY_UNIT_MS)


NOTIFICATION_DELAY = Leaf(_encode_delay, lambda octets: U8.read(octets, 0)[0] * _DELAY_UNIT_MS)

# -- slices and users ------------------------------------------------------------------------------------------------

_NO_SD = 0xFFFFFF
"""TS 23.003 §28.4.2: no slice differentiator."""


def _encode_snssai(snssai: tuple[int, int | None]) -> bytes:
    sst, sd = snssai
    return U8.write(sst) + U24.write(_NO_SD if sd is None else sd)


def _decode_snssai(octets: bytes) -> tuple[int, int | None]:
    sst, at = U8.read(octets, 0)
    sd, _ = U24.read(octets, at)
    return sst, None if sd == _NO_SD else sd


S_NSSAI = Leaf(_encode_snssai, _decode_snssai)


def _encode_digits(digits: str) -> bytes:
    """TBCD (TS 29.002): two digits an octet, the first in its low half; F fills up."""
    require(digits.isdecimal(), "digits")
    padded = digits + "f" * (len(digits) % 2)
    return bytes.fromhex("".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2)))


def _decode_digits(octets: bytes) -> str:
    pairs = octets.hex()
    digits = "".join(pairs[at + 1] + pairs[at] for at in range(0, len(pairs), 2)).removesuffix("f")
    require(digits.isdecimal(), "digits")
    return digits


_DIGITS = counted(1, _encode_digits, _decode_digits)
USER_ID = flagged(
    UserId,
    Part("imsi", 0x01, _DIGITS),
    Part("imei", 0x02, _DIGITS),
    Part("msisdn", 0x04, _DIGITS),
    Part("nai", 0x08, TEXT8),
)


def _encode_redirect(redirect: RedirectInformation) -> bytes:
    has_other = redirect.address_type is RedirectAddressType.IPV4_AND_IPV6
    require(has_other == (redirect.other_server_address is not None), "a second address only for IPv4 and IPv6")
    other = b"" if redirect.other_server_address is None else TEXT16.write(redirect.other_server_address)
    return bytes([redirect.address_type]) + TEXT16.write(redirect.server_address) + other


def _decode_redirect(octets: bytes) -> RedirectInformation:
    kind, at = U8.read(octets, 0)
    address_type = RedirectAddressType(kind & 0x0F)
    server, at = TEXT16.read(octets, at)
    if address_type is not RedirectAddressType.IPV4_AND_IPV6:
        return RedirectInformation(address_type, server)
    return RedirectInformation(address_type, server, TEXT16.read(octets, at)[0])


REDIRECT_INFORMATION = Leaf(_encode_redirect, _decode_redirect)

_RULE_ID_KINDS = {RuleType.PDR: U16, RuleType.FAR: U32, RuleType.QER: U32, RuleType.URR: U32, RuleType.BAR: U8}


def _decode_failed_rule(octets: bytes) -> tuple[int, int]:
    kind = RuleType(U8.read(octets, 0)[0] & 0x0F)
    return int(kind), _RULE_ID_KINDS[kind].read(octets, 1)[0]


FAILED_RULE_ID = Leaf(
    lambda rule: bytes([rule[0]]) + _RULE_ID_KINDS[RuleType(rule[0])].write(rule[1]), _decode_failed_rule
)
FORWARDING_POLICY = counted(1, to_text, from_text)
