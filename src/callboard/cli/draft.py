"""The words about drafts of workflows: `workflow draft …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from callboard.cli import DONE, FAILED, terminal
from callboard.cli.board import remark
from callboard.cli.files import text_of
from callboard.cli.place import HERE, Place

if TYPE_CHECKING:
    from callboard.web.workflows import FaultRow

draft = App(name="draft", help="Drafts of workflows: save, show, check, drop. `workflow publish` ends one.")


@draft.command
def save(file: Path, /, *, name: str | None = None, revision: int | None = None, place: Place = HERE) -> int:
    """Save a file as a draft; it may be faulty.

    Parameters
    ----------
    file
        Such as drafts/claims.yaml.
    name
        Of the workflow; what the file says, if it is left out.
    revision
        Of the draft on top of which this was written, as `draft show` tells it. Without, there must be none.
    """
    from callboard.errors import AlreadyExists

    text = text_of(file)
    with place.client() as client:
        try:
            saved = None if revision is not None else client.workflows.create(text, name)
        except AlreadyExists as error:
            name, saved = str(error.details["name"]), None
        if saved is None:
            saved = client.workflows.save(name or named(text, file), text, revision or 0)
    if place.as_json:
        terminal.document(saved)
        return DONE
    terminal.say(f"draft of {saved.name}, revision {saved.revision}")
    _tell(saved.faults, str(file))
    if saved.ok:
        remark(f"publish it: {place.again('workflow', 'publish', saved.name)}")
    return DONE


@draft.command
def show(name: str, /, *, place: Place = HERE) -> int:
    """Print the draft of a workflow as it was written.

    Parameters
    ----------
    name
        Which workflow.
    """
    with place.client() as client:
        found = client.workflows.draft(name)
    if place.as_json:
        terminal.document(found)
        return DONE
    terminal.file(found.text)
    remark(f"revision {found.revision}, saved {terminal.when(found.saved_at)} by {found.principal}")
    return DONE


@draft.command
def check(name: str, /, *, place: Place = HERE) -> int:
    """Tell what is wrong with a draft; the exit code is 1 if it could not be published.

    Parameters
    ----------
    name
        Which workflow.
    """
    with place.client() as client:
        found = client.workflows.validate(name)
    if place.as_json:
        terminal.document(found)
    else:
        _tell(found.faults, name)
        if not found.faults:
            remark(f"The draft of {name} has no faults.")
    return DONE if found.ok else FAILED


@draft.command
def drop(name: str, /, *, revision: int | None = None, place: Place = HERE) -> int:
    """Throw the draft of a workflow away; its versions stay.

    Parameters
    ----------
    name
        Which workflow.
    revision
        Only if the draft is at this revision.
    """
    with place.client() as client:
        state = client.workflows.drop(name, revision)
    if place.as_json:
        terminal.document(state)
    else:
        terminal.say(f"the draft of {name} is gone")
    return DONE


def named(text: str, file: Path) -> str:
    """Return the name of the workflow that a file defines."""
    from callboard.errors import BadInput
    from callboard.workflow import Enough, Notes, Unreadable, define, read

    try:
        name = define(Notes(read(text))).definition.name
    except (Unreadable, Enough):
        name = ""
    if not name:
        raise BadInput(f"{file} does not say how the workflow is called: name it by --name.")
    return name


def _tell(faults: list[FaultRow], where: str) -> None:
    for fault in faults:
        terminal.told(f"{where}:{fault.line}:{fault.column}", fault.severity, fault.message)
