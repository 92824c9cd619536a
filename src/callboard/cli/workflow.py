"""The words about workflows: `workflow …`, with their versions; those about drafts are in `draft.py`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from callboard.cli import DONE, terminal
from callboard.cli.board import remark
from callboard.cli.draft import draft
from callboard.cli.files import is_file, publish_file
from callboard.cli.place import HERE, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callboard.web.workflows import Published, VersionRow, WorkflowDetail, WorkflowState

workflow = App(
    name="workflow",
    help="Workflows: list, show, versions, diff, publish, activate, archive, reactivate, delete, draft.",
)
workflow.command(draft)

Status = Literal["draft", "active", "archived"]


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────


@workflow.command(name="list")
def list_workflows(
    *,
    owner: str | None = None,
    status: Status | None = None,
    search: str | None = None,
    after: str | None = None,
    limit: int = 1000,
    place: Place = HERE,
) -> int:
    """List the workflows that there are.

    Parameters
    ----------
    owner
        Only those of this bot; `global` is what belongs to everybody.
    status
        Only those in this state.
    search
        Only those whose name or description holds this.
    after
        The name at which an earlier page ended.
    limit
        How many at most, up to 1000.
    """
    with place.client() as client:
        found = client.workflows.list(owner=owner, status=status, search=search, after=after, limit=limit)
    if place.as_json:
        terminal.document(found)
        return DONE
    rows = [
        (
            *(one.name, one.status, one.version or "", one.versions or ""),
            *("yes" if one.draft else "", terminal.when(one.published_at), one.owner, one.description),
        )
        for one in found.data
    ]
    heads = ("workflow", "status", "version", "of", "draft", "published", "owner", "description")
    terminal.table(heads, rows, whole="workflow")
    if not rows and any((owner, status, search, after)):
        remark("There is no such workflow.")
    elif not rows:
        remark("There is none yet: put a file into config/workflows, or try `callboard run FILE`.")
    if found.next is not None:
        remark(f"go on: {place.again('workflow', 'list', '--after', found.next)}")
    return DONE


@workflow.command(name="show")
def show_workflow(
    name: str,
    /,
    *,
    version: int | None = None,
    yaml: Annotated[bool, Parameter(negative="")] = False,
    place: Place = HERE,
) -> int:
    """Show a workflow: its steps, and its versions.

    Parameters
    ----------
    name
        Which workflow.
    version
        One of its versions; the active one if it is left out.
    yaml
        Print the definition alone, as a file.
    """
    with place.client() as client:
        found = client.workflows.read(name, version)
    if place.as_json:
        terminal.document(found)
        return DONE
    if yaml and found.definition is not None:
        terminal.file(found.text)
        return DONE
    terminal.say(*_headed(found))
    if found.definition is not None:
        _steps(found.definition)
        _versions(found.history)
    else:
        remark(f"look: {place.again('workflow', 'draft', 'show', name)}")
    return DONE


@workflow.command
def versions(name: str, /, *, before: int | None = None, limit: int = 100, place: Place = HERE) -> int:
    """List the versions of a workflow, the newest first.

    Parameters
    ----------
    name
        Which workflow.
    before
        The number at which an earlier page ended.
    limit
        How many at most, up to 1000.
    """
    with place.client() as client:
        found = client.workflows.versions(name, before=before, limit=limit)
    if place.as_json:
        terminal.document(found)
        return DONE
    _versions(found.data)
    if not found.data and before is None:
        remark(f"There is none yet: {place.again('workflow', 'publish', name)}")
    if found.next is not None:
        remark(f"go on: {place.again('workflow', 'versions', name, '--before', str(found.next))}")
    return DONE


@workflow.command
def diff(name: str, old: str | None = None, new: str | None = None, /, *, place: Place = HERE) -> int:
    """Show what differs between two versions of a workflow, or between one and its draft.

    Parameters
    ----------
    name
        Which workflow.
    old
        A number, `active` or `draft`; the one before the other, if it is left out.
    new
        The same; the draft if it is left out, or the active version if there is none.
    """
    with place.client() as client:
        found = client.workflows.diff(name, old, new)
    if place.as_json:
        terminal.document(found)
        return DONE
    if found.same:
        terminal.say(f"{found.old} and {found.new} of {found.name} say the same")
        return DONE
    terminal.differences(found.diff)
    if found.as_written:
        remark("The draft has errors, and is compared as it was written.")
    return DONE


# ── what runs ────────────────────────────────────────────────────────────────────────────────────────────


@workflow.command
def publish(
    target: str,
    /,
    *,
    revision: int | None = None,
    activate: Annotated[bool, Parameter(negative="--no-activate")] = True,
    place: Place = HERE,
) -> int:
    """Make the draft of a workflow the next version, or a file; runs get it from here on.

    Parameters
    ----------
    target
        The name of a workflow, whose draft it is, or a file such as drafts/claims.yaml.
    revision
        Publish the draft only if it is at this revision.
    activate
        Whether runs get it from here on; without, `workflow activate` does it later.
    """
    from callboard.errors import BadInput

    with place.client() as client:
        if is_file(target):
            if revision is not None:
                raise BadInput("A file has no revision: --revision is for drafts.")
            done = publish_file(client, Path(target), activate=activate)
        else:
            done = client.workflows.publish_draft(target, revision, activate=activate)
    return _published(done, place)


@workflow.command
def activate(name: str, version: int, /, *, place: Place = HERE) -> int:
    """Let runs get another version from here on; those under way keep theirs.

    Parameters
    ----------
    name
        Which workflow.
    version
        Which version.
    """
    with place.client() as client:
        return _done(client.workflows.activate(name, version), place)


@workflow.command
def archive(name: str, /, *, reason: str = "", place: Place = HERE) -> int:
    """Let no more runs of a workflow start; those under way go on to their end.

    Parameters
    ----------
    name
        Which workflow.
    reason
        Why, for whoever reads the log.
    """
    with place.client() as client:
        return _done(client.workflows.archive(name, reason), place)


@workflow.command
def reactivate(name: str, /, *, version: int | None = None, place: Place = HERE) -> int:
    """Let runs of an archived workflow start again.

    Parameters
    ----------
    name
        Which workflow.
    version
        In this version; in the one that it had, if it is left out.
    """
    with place.client() as client:
        return _done(client.workflows.reactivate(name, version), place)


@workflow.command
def delete(name: str, /, *, place: Place = HERE) -> int:
    """Take away a workflow that was never published; others can be archived.

    Parameters
    ----------
    name
        Which workflow.
    """
    with place.client() as client:
        return _done(client.workflows.delete(name), place)


# ── how it is said ───────────────────────────────────────────────────────────────────────────────────────


def _headed(found: WorkflowDetail) -> Iterator[str]:
    """Yield what is said before the tables."""
    standing = found.status if found.active or found.status != "active" else ""
    yield " ".join(
        part for part in (found.name, _version(found.version), f"({standing})" if standing else "") if part
    )
    for word, text in (("", found.description), ("owner: ", found.owner), ("checksum: ", found.checksum)):
        if text:
            yield word + text
    if found.archived is not None:
        why = f": {found.archived.reason}" if found.archived.reason else ""
        yield f"archived: {terminal.when(found.archived.at)}, by {found.archived.by}{why}"
    if found.draft is not None:
        saved = terminal.when(found.draft.saved_at)
        yield f"draft: revision {found.draft.revision}, {saved}, by {found.draft.principal}"


def _version(number: int) -> str:
    return f"version {number}" if number else ""


def _steps(definition: dict[str, Any]) -> None:
    terminal.table(
        ("step", "uses", "needs", "next"),
        [
            (one["id"], one["uses"], ", ".join(one.get("needs", ())), _targets(one.get("next", ())))
            for one in definition["steps"]
        ],
    )


def _targets(edges: list[dict[str, str]]) -> str:
    """Return where edges lead; in a definition's one spelling they are a list."""
    return ", ".join(edge["to"] for edge in edges)


def _versions(rows: list[VersionRow]) -> None:
    terminal.table(
        ("version", "active", "published", "by"),
        [
            (one.version, "yes" if one.active else "", terminal.when(one.published_at), one.principal)
            for one in rows
        ],
    )


def _published(done: Published, place: Place) -> int:
    if place.as_json:
        terminal.document(done)
        return DONE
    is_new = "" if done.created else ", which was there before"
    runs = "runs get it from here on" if done.activated else "what runs is what it was"
    terminal.say(f"{done.name} version {done.version}{is_new}: {runs}")
    for warning in done.warnings:
        terminal.told(f"{done.name}:{warning.line}:{warning.column}", "warning", warning.message)
    return DONE


def _done(state: WorkflowState, place: Place) -> int:
    if place.as_json:
        terminal.document(state)
    elif state.status is None:
        terminal.say(f"{state.name} is gone")
    else:
        terminal.say(f"{state.name} is {state.status}{_in(state)}")
    return DONE


def _in(state: WorkflowState) -> str:
    return f", in version {state.version}" if state.version else ""
