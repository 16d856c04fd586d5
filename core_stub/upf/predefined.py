"""What is configured in the UPF and only named on N4: predefined rules (TS 29.244 §5.19) and applications (§5.11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core_stub.errors import RemoteProtocolError
from core_stub.pfcp.ies import ApplicationPfds, Cause, IeType
from core_stub.sdf import FlowDescriptionError, FlowFilter, parse_flow_description


@dataclass(frozen=True)
class PredefinedRule:
    """Packets of a PDR that activates it, as far as `filters` take them, under a precedence and a gate of its own.

    `filters` are as the downlink sees packets; none takes all. Rates in kbit/s, None is no limit of its own.
    """

    name: str
    precedence: int
    filters: tuple[FlowFilter, ...] = ()
    is_open: bool = True
    mbr_uplink_kbps: int | None = None
    mbr_downlink_kbps: int | None = None


class Applications:
    """Application ID → the filters that detect it: configured, or provisioned by PFDs (§6.2.5), which come first."""

    def __init__(self, configured: Mapping[str, tuple[FlowFilter, ...]]) -> None:
        self._configured = dict(configured)
        self._provisioned: dict[str, tuple[FlowFilter, ...]] = {}

    def filters(self, application_id: str) -> tuple[FlowFilter, ...] | None:
        """None for an application that is not known."""
        return self._provisioned.get(application_id, self._configured.get(application_id))

    def provision(self, applications: Iterable[ApplicationPfds]) -> None:
        """Replace the PFDs of these applications, all of them or, by RemoteProtocolError, none.

        Without PFDs those of an application go; without any application all of all go (§7.4.3.1).
        """
        new = {application.application_id: _filters(application) for application in applications}
        self._provisioned = {
            application_id: filters for application_id, filters in (self._provisioned | new).items() if filters and new
        }


def _filters(application: ApplicationPfds) -> tuple[FlowFilter, ...]:
    descriptions = []
    for pfd in application.pfds:
        found = [pfd.flow_description] if pfd.flow_description else []
        found += pfd.additional_flow_descriptions
        further = (pfd.url, pfd.domain_name, pfd.custom, *pfd.additional_urls)
        if not found or any(further):
            raise RemoteProtocolError(
                Cause.SERVICE_NOT_SUPPORTED,
                f"{application.application_id}: a PFD of more than flow descriptions; this UPF looks at headers only",
                IeType.PFD_CONTENTS,
            )
        descriptions += found
    try:
        return tuple(dict.fromkeys(map(parse_flow_description, descriptions)))
    except FlowDescriptionError as error:
        detail = f"{application.application_id}: {error}"
        raise RemoteProtocolError(Cause.REQUEST_REJECTED, detail, IeType.PFD_CONTENTS) from error
