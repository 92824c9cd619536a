"""Publishing: the facts of a workflow's stream, and which of them follow from what somebody wants.

    draft ── publish ──▶ active ── archive ──▶ archived
                           ▲                       │
                           └────── reactivate ─────┘

A workflow has versions, numbered from 1, that never change; one of them is active: the one that a run gets
which names none. What makes a version is the checksum of the definition's one spelling, so white space,
comments and the order of keys make none. The same content again is the version that there is; if another one
is active meanwhile, it is made active again, since whoever publishes wants what he publishes to run.

A draft is a text that somebody works on: it may be faulty, it stands beside whatever versions there are, and
once published it is the next of them. Its revision is the version of the stream at which it was saved, so no
two drafts ever share one, not even after one was thrown away.

A file of the folder speaks up when it has changed, and never else: which version the file was, when it last
did, is kept. So what an operator rolled back stays so at the next start, and what he archived stays archived.

Texts are kept in the facts, those of versions in their one spelling, and nowhere else.
"""

from __future__ import annotations

import msgspec

from callboard.errors import AlreadyExists, Conflict, NotFound, WrongState
from callboard.facts import fact
from callboard.ids import StreamId
from callboard.workflow import Definition, canonical, checksum

KIND = "workflow"
"""The type of such streams."""


def workflow_stream(name: str) -> StreamId:
    """Return the stream that holds a workflow's history."""
    return StreamId(f"workflow:{name}")


# ── what can have happened ───────────────────────────────────────────────────────────────────────────────


@fact("workflow_published")
class WorkflowPublished(msgspec.Struct, frozen=True, omit_defaults=True):
    """The workflow has a new version."""

    name: str
    version: int
    checksum: str
    text: str
    """The definition as JSON in its one spelling."""
    description: str = ""
    owner: str = ""
    """The bot that it belongs to; empty is everybody."""
    active: bool = True
    """It is the active one from here on."""


@fact("version_activated")
class VersionActivated(msgspec.Struct, frozen=True, omit_defaults=True):
    """A version that was there already is the active one."""

    name: str
    version: int
    description: str = ""
    owner: str = ""


@fact("workflow_archived")
class WorkflowArchived(msgspec.Struct, frozen=True, omit_defaults=True):
    """No run of the workflow starts from here on; those under way go on."""

    name: str
    reason: str = ""


@fact("workflow_reactivated")
class WorkflowReactivated(msgspec.Struct, frozen=True, omit_defaults=True):
    """Runs start again, in this version."""

    name: str
    version: int
    description: str = ""
    owner: str = ""


@fact("draft_saved")
class DraftSaved(msgspec.Struct, frozen=True, omit_defaults=True):
    """This text is the draft from here on."""

    name: str
    text: str
    """As it was written: it need not even be YAML."""
    description: str = ""
    owner: str = ""


@fact("draft_dropped")
class DraftDropped(msgspec.Struct, frozen=True, omit_defaults=True):
    """There is no draft any more."""

    name: str
    version: int = 0
    """What it became; 0 if it was thrown away."""


@fact("file_taken")
class FileTaken(msgspec.Struct, frozen=True):
    """The file of this workflow in the folder has changed: its content is this version."""

    name: str
    version: int


WorkflowFact = (
    WorkflowPublished
    | VersionActivated
    | WorkflowArchived
    | WorkflowReactivated
    | DraftSaved
    | DraftDropped
    | FileTaken
)

# ── how it stands ────────────────────────────────────────────────────────────────────────────────────────


class Standing(msgspec.Struct, frozen=True):
    """How a workflow stands before something is done to it."""

    name: str
    status: str | None = None
    """`draft`: no version of it runs; `active`; `archived`: no run of it starts. None: there is none."""
    versions: int = 0
    active: int = 0
    """The version that runs, or did until it was archived; 0 is none."""
    owner: str = ""
    draft: int = 0
    """The revision of its draft; 0 is none."""
    filed: int = 0
    """The version that its file in the folder was when it last changed; 0 is none."""


class Published(msgspec.Struct, frozen=True):
    """What became of a definition that was published."""

    name: str
    version: int
    created: bool
    """There was no such version before."""
    activated: bool
    """Runs get another version from here on than they did before."""


# ── what follows ─────────────────────────────────────────────────────────────────────────────────────────


def publish(
    definition: Definition, standing: Standing, same: int | None, *, activate: bool = True
) -> tuple[Published, list[WorkflowFact]]:
    """Decide which version a definition is, and the facts that make it so; none if nothing changes.

    `same` is the version that has the very content.
    """
    name, owner = definition.name, owner_of(definition)
    if standing.versions and owner != standing.owner:
        raise Conflict(owner_kept(name, standing.owner, owner), name=name)
    if activate and standing.status == "archived":
        raise WrongState(
            f"The workflow {name} is archived: reactivate it first, or publish without activating.",
            name=name,
            status="archived",
        )
    if same is not None:
        changes = activate and same != standing.active
        again = VersionActivated(name, same, definition.description, owner)
        return Published(name, same, created=False, activated=changes), [again] if changes else []
    version = standing.versions + 1
    made = WorkflowPublished(
        *(name, version, checksum(definition), canonical(definition).decode()),
        description=definition.description,
        owner=owner,
        active=activate,
    )
    return Published(name, version, created=True, activated=activate), [made]


def publish_file(
    definition: Definition, standing: Standing, same: int | None
) -> tuple[Published, list[WorkflowFact]]:
    """Decide the same for a file of the folder: one that has not changed says nothing, whatever runs now."""
    if same is not None and same == standing.filed:
        return Published(definition.name, same, created=False, activated=False), []
    activate = standing.status != "archived"
    published, facts = publish(definition, standing, same, activate=activate)
    return published, [*facts, FileTaken(published.name, published.version)]


def publish_draft(
    definition: Definition, standing: Standing, same: int | None, *, revision: int, activate: bool
) -> tuple[Published, list[WorkflowFact]]:
    """Decide the same for a draft at the revision that was read: there is none any more."""
    must_have(standing, revision)
    published, facts = publish(definition, standing, same, activate=activate)
    return published, [*facts, DraftDropped(published.name, published.version)]


def activate(standing: Standing, wanted: VersionActivated) -> list[WorkflowFact]:
    """Make a version the active one, if it is not."""
    if standing.status == "archived":
        raise WrongState(
            f"The workflow {standing.name} is archived: reactivate it, in this version if you name it.",
            name=standing.name,
            status="archived",
        )
    return [] if wanted.version == standing.active else [wanted]


def archive(standing: Standing, wanted: WorkflowArchived) -> list[WorkflowFact]:
    """Let no more runs of a workflow start."""
    if standing.status is None:
        raise missing(standing.name)
    if standing.status == "draft":
        raise WrongState(
            f"The workflow {standing.name} is a draft, of which nothing runs: delete it, or publish it.",
            name=standing.name,
            status="draft",
        )
    if standing.status == "archived":
        raise WrongState(
            f"The workflow {standing.name} is archived already.", name=standing.name, status="archived"
        )
    return [wanted]


def reactivate(standing: Standing, wanted: WorkflowReactivated) -> list[WorkflowFact]:
    """Let runs of an archived workflow start again."""
    if standing.status != "archived":
        raise WrongState(
            f"The workflow {standing.name} is not archived: it is {_AS_IT_IS[standing.status or 'draft']}.",
            name=standing.name,
            status=standing.status,
        )
    return [wanted]


_AS_IT_IS = {"draft": "a draft, of which nothing was published to run", "active": "active"}


def create(standing: Standing, draft: DraftSaved) -> list[WorkflowFact]:
    """Make a workflow that is a draft."""
    if standing.status is not None:
        raise AlreadyExists(
            f"There is a workflow {standing.name} already: save a draft of it, or take another name.",
            name=standing.name,
            status=standing.status,
        )
    return [draft]


def save(standing: Standing, draft: DraftSaved, revision: int) -> list[WorkflowFact]:
    """Put a text in the place of the draft at a revision; 0 is where there is none."""
    must_have(standing, revision)
    return [draft]


def drop(standing: Standing, revision: int | None) -> list[WorkflowFact]:
    """Throw a draft away; at a revision, only if it is at that."""
    if not standing.draft:
        raise missing(standing.name) if standing.status is None else no_draft(standing.name)
    if revision is not None:
        must_have(standing, revision)
    return [DraftDropped(standing.name)]


def delete(standing: Standing) -> list[WorkflowFact]:
    """Take a workflow away that is nothing but a draft."""
    if standing.status is None:
        raise missing(standing.name)
    if standing.versions:
        beside = "; its draft can be dropped" if standing.draft else ""
        raise WrongState(
            f"The workflow {standing.name} was published, and versions stay: archive it instead{beside}.",
            name=standing.name,
            status=standing.status,
        )
    return [DraftDropped(standing.name)]


def missing(name: str, hint: str = "") -> NotFound:
    """Return the error for a workflow that is not there."""
    said = hint or (
        ": put its file into config/workflows and publish it; if it is there, `callboard check` says why not."
    )
    return NotFound(f"There is no workflow {name}{said}", workflow=name)


def no_draft(name: str) -> NotFound:
    """Return the error for a draft that is not there."""
    return NotFound(f"The workflow {name} has no draft.", workflow=name)


def must_have(standing: Standing, revision: int) -> None:
    """Refuse whoever has not seen the draft that there is."""
    if revision == standing.draft:
        return
    now = f"is at revision {standing.draft}" if standing.draft else "is gone"
    then = f"revision {revision}" if revision else "one that was not there yet"
    raise Conflict(
        f"The draft of {standing.name} {now}, and you saw {then}: read it again, and go on from there.",
        name=standing.name,
        revision=standing.draft,
    )


def owner_of(definition: Definition) -> str:
    """Return the bot that a workflow belongs to; empty is everybody."""
    return "" if isinstance(definition.owner, str) else definition.owner.bot


def owner_kept(name: str, owner: str, other: str) -> str:
    """Return the sentence that refuses to give a workflow away."""
    return (
        f"The workflow {name} belongs to {_said(owner)}, and this says that it belongs to {_said(other)}: "
        "give it another name."
    )


def _said(owner: str) -> str:
    return f"the bot {owner}" if owner else "everybody"
