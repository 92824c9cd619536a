"""Publishing: facts of a workflow's stream, and which of them follow when a definition is published.

A workflow has versions, numbered from 1, that never change; one of them is active: the one that a run gets
which names none. What makes a version is the checksum of the definition's one spelling, so white space,
comments and the order of keys make none. The same content again is the version that there is; if another one
is active meanwhile, it is made active again, since whoever publishes wants what he publishes to run.

The text is kept in the fact, in its one spelling, and nowhere else.
"""

from __future__ import annotations

import msgspec

from callboard.errors import Conflict
from callboard.facts import fact
from callboard.ids import StreamId
from callboard.workflow import Definition, canonical, checksum

KIND = "workflow"
"""The type of such streams."""


def workflow_stream(name: str) -> StreamId:
    """Return the stream that holds a workflow's history."""
    return StreamId(f"workflow:{name}")


@fact("workflow_published")
class WorkflowPublished(msgspec.Struct, frozen=True, omit_defaults=True):
    """The workflow has a new version, which is the active one from here on."""

    name: str
    version: int
    checksum: str
    text: str
    """The definition as JSON in its one spelling."""
    description: str = ""
    owner: str = ""
    """The bot that it belongs to; empty is everybody."""


@fact("version_activated")
class VersionActivated(msgspec.Struct, frozen=True, omit_defaults=True):
    """A version that was there already is the active one again."""

    name: str
    version: int
    description: str = ""
    owner: str = ""


class Standing(msgspec.Struct, frozen=True):
    """How a workflow stands before something is published under its name."""

    versions: int = 0
    active: int = 0
    owner: str = ""
    same: int | None = None
    """The version that has the very content which is to be published."""


class Published(msgspec.Struct, frozen=True):
    """What became of a definition that was published."""

    name: str
    version: int
    created: bool
    """There was no such version before."""
    activated: bool
    """Runs get another version from here on than they did before."""


def publish(
    definition: Definition, standing: Standing
) -> tuple[Published, WorkflowPublished | VersionActivated | None]:
    """Decide which version a definition is, and the fact that makes it so; none if nothing changes."""
    name, owner = definition.name, owner_of(definition)
    if standing.versions and owner != standing.owner:
        raise Conflict(
            f"The workflow {name} belongs to {_said(standing.owner)}, and this file says that it belongs to "
            f"{_said(owner)}: give it another name.",
            name=name,
        )
    if standing.same is not None:
        changes = standing.same != standing.active
        done = Published(name, standing.same, created=False, activated=changes)
        again = VersionActivated(name, standing.same, definition.description, owner)
        return done, again if changes else None
    version = standing.versions + 1
    made = WorkflowPublished(
        name, version, checksum(definition), canonical(definition).decode(), definition.description, owner
    )
    return Published(name, version, created=True, activated=True), made


def owner_of(definition: Definition) -> str:
    """Return the bot that a workflow belongs to; empty is everybody."""
    return "" if isinstance(definition.owner, str) else definition.owner.bot


def _said(owner: str) -> str:
    return f"the bot {owner}" if owner else "everybody"
