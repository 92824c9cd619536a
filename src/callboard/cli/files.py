"""Files of workflows that somebody names on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callboard.web.client import Client
    from callboard.web.workflows import Published

_SUFFIXES = {".yaml", ".yml", ".json"}


def is_file(target: str) -> bool:
    """Whether a file is meant: no name of a workflow has a dot or a slash in it."""
    return "/" in target or "\\" in target or Path(target).suffix in _SUFFIXES


def text_of(file: Path) -> str:
    """Return what is in a file."""
    from callboard.errors import BadInput, NotFound

    if not file.is_file():
        raise NotFound(f"There is no file {file}: name a workflow file, or a workflow that is published.")
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise BadInput(f"{file} cannot be read: {fault}.") from None


def publish_file(client: Client, file: Path, *, activate: bool = True) -> Published:
    """Publish a file; what is wrong with it is told with where to see all of it."""
    from callboard.errors import WorkflowInvalid

    try:
        return client.workflows.publish(text_of(file), activate=activate)
    except WorkflowInvalid as error:
        more = f"{error.message} `callboard check {file}` shows all of it."
        if any(fault["code"] == "ACTION_UNKNOWN" for fault in error.details.get("faults", ())):
            more += (
                " The server knows the actions that were there when it started: start it again for others."
            )
        raise WorkflowInvalid(f"{file}: {more}", **error.details) from None
