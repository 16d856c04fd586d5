"""What the UP function reports, and what the two functions say of themselves: grouped IEs other than rules."""

from __future__ import annotations

from dataclasses import dataclass

from core_stub.pfcp.ies.flags import IpVersion, OciFlags, UsageInformation, UsageReportTrigger
from core_stub.pfcp.ies.values import (
    DownlinkDataServiceInformation,
    FlowInformation,
    IpAddresses,
    PfdContents,
    UeIpAddress,
    VolumeMeasurement,
)


@dataclass(frozen=True, slots=True)
class ApplicationDetection:
    """Application Detection Information (Table 7.5.8.3-2): an application's traffic has started or stopped."""

    application_id: str
    instance_id: str | None = None
    flow: FlowInformation | None = None
    pdr_id: int | None = None


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Tables 7.5.5.2-1, 7.5.7.2-1 and 7.5.8.3-1; the last one alone has `application` and `ue_ip_address`.

    Times of day are seconds of UTC since 1900, `duration` is in seconds.
    """

    urr_id: int
    sequence: int
    trigger: UsageReportTrigger
    volume: VolumeMeasurement | None = None
    duration: int | None = None
    start_time: int | None = None
    end_time: int | None = None
    time_of_first_packet: int | None = None
    time_of_last_packet: int | None = None
    usage_information: UsageInformation | None = None
    query_urr_reference: int | None = None
    application: ApplicationDetection | None = None
    ue_ip_address: UeIpAddress | None = None


@dataclass(frozen=True, slots=True)
class DownlinkDataReport:
    """Table 7.5.8.2-1: downlink packets came for these PDRs, and were the first to be buffered."""

    pdr_ids: tuple[int, ...]
    service_information: tuple[DownlinkDataServiceInformation, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadControl:
    """Load Control Information (Table 7.5.3.3-1); the metric in percent."""

    sequence: int
    metric: int


@dataclass(frozen=True, slots=True)
class OverloadControl:
    """Overload Control Information (Table 7.5.3.4-1); the metric in percent, valid for so many seconds."""

    sequence: int
    metric: int
    period: float
    flags: OciFlags | None = None


@dataclass(frozen=True, slots=True)
class ApplicationPfds:
    """Application ID's PFDs (Table 7.4.3.1-2); without contexts those that were provisioned before are removed."""

    application_id: str
    contexts: tuple[tuple[PfdContents, ...], ...] = ()

    @property
    def pfds(self) -> tuple[PfdContents, ...]:
        """All descriptions of all contexts."""
        return tuple(contents for context in self.contexts for contents in context)


@dataclass(frozen=True, slots=True)
class SessionRetention:
    """Session Retention Information (Table 7.4.4.1-2): keep the sessions of the association before, or some of them.

    Those of `cp_entities` only, if there are any.
    """

    cp_entities: tuple[IpAddresses, ...] = ()


@dataclass(frozen=True, slots=True)
class UeIpAddressPool:
    """UE IP Address Pool Information (Table 7.4.4.1-3): pools of a UP function that allocates the UEs' addresses."""

    identities: tuple[str, ...]
    network_instances: tuple[str, ...] = ()
    snssais: tuple[tuple[int, int | None], ...] = ()
    ip_version: IpVersion | None = None
