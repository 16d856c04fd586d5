"""Which running lab a verb means: the one that `--lab` names, or the only one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from testbed.errors import InputError, Problem, RunInvalidError
from testbed.lab.ledger import LabRecord, labs
from testbed.run.management import exchange

Lab = Annotated[str | None, typer.Option("--lab", help="The lab's id; the only one that runs by default.")]


def ask(lab: LabRecord, process: str, method: str, target: str, body: Any = None) -> tuple[int, str]:
    """Status and text of what a process of the lab answers; RunInvalidError where none comes.

    It says if the process has ended, and where its log is.
    """
    try:
        return exchange(lab.directory / f"{process}.sock", method, target, body)
    except RunInvalidError as error:
        if process not in lab.ended:
            raise
        text = f"{process} of lab {lab.run_id} has ended; its log: {lab.log(process)}"
        raise RunInvalidError(text, process=process) from error


def running_lab(verb: str, wanted: str | None, *, serving: str, needs: str = "") -> LabRecord:
    """The lab that is wanted; InputError if there is none. `serving` is the socket's name that it must have by now.

    `needs` says what a scenario must have for its lab to have that.
    """
    living = {lab.run_id: lab for lab in labs() if lab.owner_lives}
    running = {run_id: lab for run_id, lab in living.items() if (lab.directory / serving).exists()}
    without = [run_id for run_id in ([wanted] if wanted else living) if run_id in living and run_id not in running]
    if needs and without and (wanted or not running):
        got = f"{', '.join(without)}, without {serving}"
        hint = "or wait, if it is still starting"
        raise InputError(verb, [Problem("--lab", got, f"a lab whose scenario has {needs}", hint)])
    known = ", ".join(running) or "none runs"
    if wanted is None and len(running) == 1:
        return next(iter(running.values()))
    if wanted is None:
        got = f"{len(running)} running labs"
        raise InputError(verb, [Problem("--lab", got, f"one: {known}", "`bearerlab inspect` shows them")])
    if wanted not in running:
        raise InputError(verb, [Problem("--lab", f'"{wanted}"', f"a running lab: {known}")])
    return running[wanted]
