"""The lines of the table that concern runs, signals and approvals."""

from __future__ import annotations

from callboard import errors
from callboard.errors import RequestInvalid
from callboard.spelling import did_you_mean, shown
from callboard.web import runs, wire
from callboard.web.api import paths
from callboard.web.api.route import Call, Handler, Route

# ── handlers ─────────────────────────────────────────────────────────────────────────────────────────────


async def start(call: Call[None, runs.StartRequest]) -> runs.Started:
    """Start a run."""
    return await call.desk.runs.start(paths.workflow_name(call), call.body, principal=call.principal)


async def list_runs(call: Call[runs.RunsQuery, None]) -> runs.RunPage:
    """Return runs."""
    return await call.desk.runs.page(call.query)


async def read_run(call: Call[runs.RunQuery, None]) -> runs.RunDetail:
    """Return a run."""
    known = {"steps", "events", "decisions", "context"}
    wanted = {part.strip() for part in call.query.include.split(",") if part.strip()}
    for part in sorted(wanted - known):
        hint = did_you_mean(part, known) or "; there are steps, events, decisions and context."
        raise RequestInvalid(f"include cannot name {shown(part)}{hint}", field="include")
    return await call.desk.runs.run(paths.uuid(call, "run"), wanted)


async def pause(call: Call[None, runs.NothingMore]) -> runs.Standing:
    """Have nothing of a run start."""
    return await call.desk.runs.pause(paths.uuid(call, "run"), call.principal)


async def resume(call: Call[None, runs.NothingMore]) -> runs.Standing:
    """Let a paused run go on."""
    return await call.desk.runs.resume(paths.uuid(call, "run"), call.principal)


async def cancel(call: Call[None, runs.CancelRequest]) -> runs.Standing:
    """End a run."""
    return await call.desk.runs.cancel(paths.uuid(call, "run"), call.body.reason, call.principal)


async def delete(call: Call[None, None]) -> runs.Deleted:
    """Take a run away."""
    return await call.desk.runs.delete(paths.uuid(call, "run"), call.principal)


async def retry(call: Call[None, runs.NothingMore]) -> runs.Standing:
    """Have a failed run tried again from where it failed."""
    return await call.desk.runs.retry(paths.uuid(call, "run"), call.principal)


async def release(call: Call[None, runs.ReleaseRequest]) -> runs.Standing:
    """Say what becomes of a step that is held."""
    return await call.desk.runs.release(paths.uuid(call, "run"), call.body, call.principal)


async def signal(call: Call[None, runs.SignalRequest]) -> runs.Standing:
    """Give a run a signal."""
    return await call.desk.runs.signal(paths.uuid(call, "run"), call.body, call.principal)


async def approvals(call: Call[runs.ApprovalsQuery, None]) -> runs.ApprovalPage:
    """Return what waits for decisions."""
    after = call.query.after
    return await call.desk.runs.approvals(
        None if after is None else paths.read_uuid(after, "after"), call.query.limit
    )


async def read_approval(call: Call[None, None]) -> runs.ApprovalRow:
    """Return one thing that waits for a decision."""
    return await call.desk.runs.approval(paths.uuid(call, "approval"))


async def decide(call: Call[None, runs.DecisionRequest]) -> runs.Standing:
    """Approve or reject."""
    return await call.desk.runs.decide(paths.uuid(call, "approval"), call.body, call.principal)


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────

_READING = (errors.NotFound, errors.StoreUnavailable)
_WRITING = (
    *_READING,
    errors.WrongState,
    errors.ConcurrencyLimit,
    errors.Conflict,
    errors.Unencodable,
    errors.TurnTooLarge,
    errors.ShuttingDown,
    errors.DiskFull,
    errors.OutcomeUnknown,
    errors.ActorStopped,
    errors.AskTimeout,
    errors.Overloaded,
)


def _control(name: str, verb: str, summary: str, handler: Handler, request: type[wire.Request]) -> Route:
    return Route(
        verb="POST",
        path=f"{wire.API}/runs/{{run}}/{verb}",
        name=name,
        summary=summary,
        handler=handler,
        request=request,
        answer=runs.Standing,
        status=202,
        scope="runs:control",
        errors=_WRITING,
    )


RUNS: tuple[Route, ...] = (
    Route(
        verb="POST",
        path=f"{wire.API}/workflows/{{name}}/runs",
        name="startRun",
        summary="Start a run: 202, or 200 if the request id has begun one before",
        handler=start,
        request=runs.StartRequest,
        answer=runs.Started,
        status=202,
        repeated=200,
        scope="workflows:execute",
        errors=(
            *(*_WRITING, errors.NameInvalid, errors.KeyReused, errors.BadInput, errors.KindUnavailable),
            *(errors.WorkflowInactive, errors.VersionAltered),
        ),
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/runs",
        name="listRuns",
        summary="Runs, the newest first",
        handler=list_runs,
        query=runs.RunsQuery,
        answer=runs.RunPage,
        scope="workflows:read",
        errors=(*_READING, errors.PositionUnknown),
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/runs/{{run}}",
        name="readRun",
        summary="One run, with its steps, events, decisions and context if they are asked for",
        handler=read_run,
        query=runs.RunQuery,
        answer=runs.RunDetail,
        scope="workflows:read",
        errors=_READING,
    ),
    _control("pauseRun", "pause", "Let nothing more of a run start", pause, runs.NothingMore),
    _control("resumeRun", "resume", "Let a run go on that an operator paused", resume, runs.NothingMore),
    _control("cancelRun", "cancel", "End a run", cancel, runs.CancelRequest),
    Route(
        verb="DELETE",
        path=f"{wire.API}/runs/{{run}}",
        name="deleteRun",
        summary="Take a run that has ended away, with all that hangs on it",
        handler=delete,
        answer=runs.Deleted,
        scope="runs:control",
        errors=_WRITING,
    ),
    _control("retryRun", "retry", "Try a failed run again, from where it failed", retry, runs.NothingMore),
    _control(
        "releaseStep",
        "release",
        "Have a step that is held tried again, or fail",
        release,
        runs.ReleaseRequest,
    ),
    _control("signalRun", "signal", "Give a run a signal", signal, runs.SignalRequest),
    Route(
        verb="GET",
        path=f"{wire.API}/approvals",
        name="listApprovals",
        summary="What waits for people to approve or reject",
        handler=approvals,
        query=runs.ApprovalsQuery,
        answer=runs.ApprovalPage,
        scope="workflows:read",
        errors=(errors.StoreUnavailable,),
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/approvals/{{approval}}",
        name="readApproval",
        summary="One thing that waits for a decision",
        handler=read_approval,
        answer=runs.ApprovalRow,
        scope="workflows:read",
        errors=_READING,
    ),
    Route(
        verb="POST",
        path=f"{wire.API}/approvals/{{approval}}",
        name="decideApproval",
        summary="Approve or reject",
        handler=decide,
        request=runs.DecisionRequest,
        answer=runs.Standing,
        status=202,
        scope="approvals:decide",
        errors=_WRITING,
    ),
)
