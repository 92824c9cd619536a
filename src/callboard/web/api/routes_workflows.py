"""The lines of the table that concern workflows."""

from __future__ import annotations

import asyncio

import msgspec

from callboard.checking import check
from callboard.errors import NotFound, StoreUnavailable
from callboard.web import wire, workflows
from callboard.web.api import paths
from callboard.web.api.route import Call, Route

# ── handlers ─────────────────────────────────────────────────────────────────────────────────────────────


async def validate(call: Call[None, workflows.ValidateRequest]) -> workflows.Validation:
    """Check a workflow file."""
    # In a thread: a hostile file takes up to a second, and the loop has others to serve.
    faults = await asyncio.to_thread(check, call.body.text)
    return workflows.Validation(
        ok=not any(fault.severity == "error" for fault in faults),
        faults=[workflows.FaultRow(**msgspec.structs.asdict(fault)) for fault in faults],
    )


async def list_workflows(call: Call[None, None]) -> workflows.WorkflowList:
    """Return all workflows."""
    return await call.desk.workflows.all_workflows()


async def read_workflow(call: Call[workflows.WorkflowQuery, None]) -> workflows.WorkflowDetail:
    """Return one workflow."""
    return await call.desk.workflows.workflow(paths.workflow_name(call), call.query.version)


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────

WORKFLOWS: tuple[Route, ...] = (
    Route(
        verb="POST",
        path=f"{wire.API}/workflows/validate",
        name="validateWorkflow",
        summary="Check a workflow file, and tell everything that is wrong with it",
        handler=validate,
        request=workflows.ValidateRequest,
        answer=workflows.Validation,
        scope="workflows:read",
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/workflows",
        name="listWorkflows",
        summary="Return the workflows that were published",
        handler=list_workflows,
        answer=workflows.WorkflowList,
        scope="workflows:read",
        errors=(StoreUnavailable,),
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/workflows/{{name}}",
        name="readWorkflow",
        summary="Return a workflow in one of its versions",
        handler=read_workflow,
        query=workflows.WorkflowQuery,
        answer=workflows.WorkflowDetail,
        scope="workflows:read",
        errors=(NotFound, StoreUnavailable),
    ),
)
