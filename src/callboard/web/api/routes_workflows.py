"""The lines of the table that concern workflows: their versions, their drafts, and which of them run."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from callboard import errors
from callboard.checking import check
from callboard.web import runs, wire, workflows
from callboard.web.api import paths
from callboard.web.api.route import Call, Handler, Route, Verb

# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────


async def validate(call: Call[None, workflows.ValidateRequest]) -> workflows.Validation:
    """Check a workflow file."""
    # In a thread: a hostile file takes up to a second, and the loop has others to serve.
    faults = await asyncio.to_thread(check, call.body.text)
    return workflows.Validation(
        ok=not any(fault.severity == "error" for fault in faults),
        faults=[workflows.FaultRow(**msgspec.structs.asdict(fault)) for fault in faults],
    )


async def list_workflows(call: Call[workflows.WorkflowsQuery, None]) -> workflows.WorkflowList:
    """Return workflows."""
    return await call.desk.workflows.page(call.query)


async def read_workflow(call: Call[workflows.WorkflowQuery, None]) -> workflows.WorkflowDetail:
    """Return one workflow."""
    return await call.desk.workflows.workflow(paths.workflow_name(call), call.query.version)


async def list_versions(call: Call[workflows.VersionsQuery, None]) -> workflows.VersionList:
    """Return the versions of a workflow."""
    return await call.desk.workflows.versions(paths.workflow_name(call), call.query)


async def read_version(call: Call[None, None]) -> workflows.VersionDetail:
    """Return one version."""
    return await call.desk.workflows.version(paths.workflow_name(call), paths.version(call))


async def diff(call: Call[workflows.DiffQuery, None]) -> workflows.Diff:
    """Return what differs."""
    return await call.desk.workflows.diff(paths.workflow_name(call), call.query)


# ── drafts ───────────────────────────────────────────────────────────────────────────────────────────────


async def create(call: Call[None, workflows.DraftRequest]) -> workflows.Draft:
    """Make a workflow that is a draft."""
    if call.body.name is not None:
        paths.checked_workflow(call.body.name, "$.name")
    return await call.desk.workflows.create(call.body, call.principal)


async def read_draft(call: Call[None, None]) -> workflows.Draft:
    """Return a draft."""
    return await call.desk.workflows.draft(paths.workflow_name(call))


async def save(call: Call[None, workflows.SaveRequest]) -> workflows.Draft:
    """Save a draft."""
    return await call.desk.workflows.save(paths.workflow_name(call), call.body, call.principal)


async def drop(call: Call[workflows.DropQuery, None]) -> workflows.WorkflowState:
    """Throw a draft away."""
    return await call.desk.workflows.drop(paths.workflow_name(call), call.query.revision, call.principal)


async def delete(call: Call[None, None]) -> workflows.WorkflowState:
    """Take a workflow away that is nothing but a draft."""
    return await call.desk.workflows.delete(paths.workflow_name(call), call.principal)


async def validate_draft(call: Call[None, runs.NothingMore]) -> workflows.Validation:
    """Check a draft."""
    draft = await call.desk.workflows.draft(paths.workflow_name(call))
    return workflows.Validation(ok=draft.ok, faults=draft.faults)


# ── what runs ────────────────────────────────────────────────────────────────────────────────────────────


async def publish(call: Call[None, workflows.PublishRequest]) -> workflows.Published:
    """Publish a workflow file."""
    return await call.desk.workflows.publish(call.body, call.principal)


async def publish_draft(call: Call[None, workflows.PublishDraftRequest]) -> workflows.Published:
    """Publish a draft."""
    return await call.desk.workflows.publish_draft(paths.workflow_name(call), call.body, call.principal)


async def archive(call: Call[None, workflows.ArchiveRequest]) -> workflows.WorkflowState:
    """Let no more runs start."""
    return await call.desk.workflows.archive(paths.workflow_name(call), call.body.reason, call.principal)


async def reactivate(call: Call[None, workflows.ReactivateRequest]) -> workflows.WorkflowState:
    """Let runs start again."""
    return await call.desk.workflows.reactivate(paths.workflow_name(call), call.body.version, call.principal)


async def activate(call: Call[None, workflows.ActivateRequest]) -> workflows.WorkflowState:
    """Let runs get a version."""
    return await call.desk.workflows.activate(paths.workflow_name(call), call.body.version, call.principal)


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────

_PATH = f"{wire.API}/workflows"
_READING = (errors.NotFound, errors.StoreUnavailable)
_WRITING = (
    *(*_READING, errors.Conflict, errors.WrongState, errors.Unencodable, errors.TurnTooLarge),
    *(errors.ShuttingDown, errors.DiskFull, errors.OutcomeUnknown),
)


def _look(
    path: str,
    name: str,
    summary: str,
    handler: Handler,
    answer: type[Any],
    query: type[Any] | None = None,
    *more: type[errors.CallboardError],
) -> Route:
    return Route(
        verb="GET",
        path=_PATH + path,
        name=name,
        summary=summary,
        handler=handler,
        query=query,
        answer=answer,
        scope="workflows:read",
        errors=(*_READING, *more) if "{" in path else (errors.StoreUnavailable,),
    )


def _do(
    verb: Verb,
    path: str,
    name: str,
    summary: str,
    handler: Handler,
    answer: type[Any],
    request: type[Any] | None = None,
    **more: Any,
) -> Route:
    return Route(
        verb=verb,
        path=_PATH + path,
        name=name,
        summary=summary,
        handler=handler,
        request=request,
        answer=answer,
        **{"scope": "workflows:manage", "errors": _WRITING} | more,
    )


_INVALID = (*_WRITING, errors.WorkflowInvalid)

WORKFLOWS: tuple[Route, ...] = (
    Route(
        verb="POST",
        path=f"{_PATH}/validate",
        name="validateWorkflow",
        summary="Check a workflow file, and tell everything that is wrong with it",
        handler=validate,
        request=workflows.ValidateRequest,
        answer=workflows.Validation,
        scope="workflows:read",
    ),
    _do(
        *("POST", "/publish", "publishWorkflow"),
        "Check a workflow file, and see that it is a version, and the one that runs",
        *(publish, workflows.Published, workflows.PublishRequest),
        errors=_INVALID,
    ),
    _look(
        *("", "listWorkflows", "Return workflows, by name", list_workflows),
        *(workflows.WorkflowList, workflows.WorkflowsQuery),
    ),
    _do(
        *("POST", "", "createWorkflow", "Make a workflow that is a draft: it may be faulty"),
        *(create, workflows.Draft, workflows.DraftRequest),
        status=201,
        errors=(*_WRITING, errors.AlreadyExists),
    ),
    _look(
        *("/{name}", "readWorkflow", "Return a workflow in one of its versions", read_workflow),
        *(workflows.WorkflowDetail, workflows.WorkflowQuery),
    ),
    _do(
        *("DELETE", "/{name}", "deleteWorkflow", "Take away a workflow that was never published"),
        *(delete, workflows.WorkflowState),
    ),
    _look("/{name}/draft", "readDraft", "Return a draft, and its faults", read_draft, workflows.Draft),
    _do(
        *("PUT", "/{name}/draft", "saveDraft", "Save a draft on top of the one that was read"),
        *(save, workflows.Draft, workflows.SaveRequest),
        also=(f"{_PATH}/{{name}}",),
    ),
    _do(
        *("DELETE", "/{name}/draft", "dropDraft", "Throw a draft away; versions stay"),
        *(drop, workflows.WorkflowState),
        query=workflows.DropQuery,
    ),
    _do(
        *("POST", "/{name}/validate", "validateDraft", "Check a draft"),
        *(validate_draft, workflows.Validation, runs.NothingMore),
        scope="workflows:read",
        errors=_READING,
    ),
    _do(
        *("POST", "/{name}/publish", "publishDraft", "Make a draft the next version"),
        *(publish_draft, workflows.Published, workflows.PublishDraftRequest),
        errors=_INVALID,
    ),
    _do(
        *("POST", "/{name}/archive", "archiveWorkflow", "Let no more runs start; those under way go on"),
        *(archive, workflows.WorkflowState, workflows.ArchiveRequest),
    ),
    _do(
        *("POST", "/{name}/reactivate", "reactivateWorkflow", "Let runs of an archived workflow start again"),
        *(reactivate, workflows.WorkflowState, workflows.ReactivateRequest),
    ),
    _do(
        *("POST", "/{name}/activate", "activateVersion", "Let runs get this version from here on"),
        *(activate, workflows.WorkflowState, workflows.ActivateRequest),
    ),
    _look(
        *("/{name}/versions", "listVersions", "Return versions, the newest first", list_versions),
        *(workflows.VersionList, workflows.VersionsQuery),
    ),
    _look(
        *("/{name}/versions/{version}", "readVersion", "Return one version", read_version),
        workflows.VersionDetail,
    ),
    _look(
        *("/{name}/diff", "diffWorkflow", "What differs between two versions, or one and the draft", diff),
        *(workflows.Diff, workflows.DiffQuery, errors.WrongState),
    ),
)
