"""What network functions say of their sessions, as tables: a session of SMF and gNB, a PDR of a UPF, in each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.table import Table

from testbed.graph import Role


def _table(name: str, columns: Sequence[str], caption: str = "") -> Table:
    """Where the terminal is too narrow, values are folded: of a cut address or TEID nothing is left."""
    table = Table(title=name, title_justify="left", caption=caption, caption_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _smf(name: str, answer: Any) -> Table:
    table = _table(name, ("session", "UE", "DNN", "address", "state", "PSA", "UL CL", "gNB"))
    for session in answer:
        ulcl = session["ulcl"]
        table.add_row(
            session["smContextRef"],
            session["supi"],
            session["dnn"],
            session["ueIpv4Address"],
            session["state"],
            session["psa"]["upf"],
            f"{ulcl['upf']}: {'; '.join(ulcl['sdf'])}" if ulcl else "",
            _tunnel(session["gnb"]),
        )
    return table


def _upf(name: str, answer: Any) -> Table:
    columns = ("SEID", "PDR", "precedence", "from", "F-TEID", "UE", "detects", "FAR", "URR", "packets", "bytes")
    table = _table(name, columns, _faults(answer))
    for session in answer["sessions"]:
        buffered = {far["id"]: far["buffered"]["packets"] for far in session["fars"] if far.get("buffered")}
        for number, pdr in enumerate(session["pdrs"]):
            table.add_row(
                f"{session['seid']:#x}" if number == 0 else "",
                str(pdr["id"]),
                str(pdr["precedence"]),
                pdr["source_interface"],
                _tunnel(pdr["f_teid"]),
                pdr["ue_ipv4"] or "",
                "; ".join(filter(None, (*pdr["filters"], pdr["application"], *pdr["predefined_rules"]))),
                _far(pdr["far"], buffered),
                " ".join(map(str, pdr["urrs"])),
                str(pdr["packets"]),
                str(pdr["bytes"]),
            )
    return table


def _gnb(name: str, answer: Any) -> Table:
    columns = ("UE", "address", "QFI", "uplink to", "packets", "downlink at", "packets")
    table = _table(name, columns, _faults(answer))
    for session in answer["sessions"]:
        uplink, downlink = session["uplink"], session["downlink"]
        table.add_row(
            session["ue"],
            session["ueIpv4Address"],
            str(session["qfi"]),
            _tunnel(uplink),
            str(uplink["packets"]),
            _tunnel(downlink) or "idle",
            str(downlink["packets"]) if downlink else "",
        )
    return table


def _tunnel(f_teid: Mapping[str, Any] | None) -> str:
    return f"{f_teid['teid']:#x} at {f_teid['ipv4']}" if f_teid else ""


def _far(far: Mapping[str, Any] | None, buffered: Mapping[int, int]) -> str:
    if far is None:
        return ""
    held = buffered.get(far["id"], 0)
    holds = f"holds {held}" if held else ""
    return " ".join(filter(None, (far["action"], far.get("to"), _tunnel(far.get("tunnel")), holds)))


def _faults(answer: Mapping[str, Any]) -> str:
    return ", ".join(f"{count} × {reason}" for reason, count in answer["faults"].items())


TABLES: dict[Role, Callable[[str, Any], Table]] = {Role.SMF: _smf, Role.UPF: _upf, Role.GNB: _gnb}
