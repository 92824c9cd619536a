"""The table of routes: all that the HTTP API can do, as data.

The router (`application.py`), the OpenAPI document (`openapi.py`) and the tests are made from `ROUTES`, so
none of them can forget a route, an error or a scope. What bots say to each other has its lines in
`routes_messages.py`, who they are in `routes_board.py`, what is read outside in `routes_inbox.py`. A later
part of Callboard adds its lines here and its structs in `wire.py`; nothing else needs to know.

A handler is a function of one `Call`: it asks the desk and returns what the route's `answer` declares. It
knows nothing of HTTP. What every route can answer besides (no key, a body too large, a fault of ours)
is added by `Route.all_errors`, not written on every line.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from callboard import errors
from callboard.errors import RequestInvalid
from callboard.web import wire
from callboard.web.api import openapi
from callboard.web.api.route import Call, Route
from callboard.web.api.routes_board import BOARD
from callboard.web.api.routes_inbox import INBOXES
from callboard.web.api.routes_messages import MESSAGES
from callboard.web.api.routes_runs import RUNS
from callboard.web.api.routes_story import STORY
from callboard.web.api.routes_templates import TEMPLATES
from callboard.web.api.routes_triggers import TRIGGERS
from callboard.web.api.routes_workflows import WORKFLOWS

# ── handlers ─────────────────────────────────────────────────────────────────────────────────────────────


async def health(call: Call[None, None]) -> wire.Health:
    """Say how the server is, ready or not."""
    return call.desk.health()


async def live(_call: Call[None, None]) -> wire.Live:
    """Answer: that is all there is to say."""
    return wire.Live()


async def ready(call: Call[None, None]) -> wire.Health:
    """Say 200 only while work is taken."""
    found = call.desk.health()
    if found.ready:
        return found
    reason = found.reason or f"The server is {found.status}."
    kind = errors.ShuttingDown if found.status == "closing" else errors.Unavailable
    raise kind(reason, status=found.status)


async def doctor(call: Call[wire.DoctorQuery, None]) -> wire.DoctorReport:
    """Have everything looked at."""
    return await call.desk.doctor(full=call.query.full)


async def backup(call: Call[None, wire.BackupRequest]) -> wire.BackupMade:
    """Have a checked copy written."""
    path = call.body.path
    if not PurePath(path).is_absolute() or "\0" in path:
        raise RequestInvalid(
            "The path of a backup must be absolute: the server does not know the caller's folder.",
            field="$.path",
        )
    return await call.desk.backup(path, call.principal)


async def prune(call: Call[None, wire.PruneRequest]) -> wire.Pruned:
    """Have retention do its work now."""
    return await call.desk.prune(dry_run=call.body.dry_run, principal=call.principal)


async def read_log(call: Call[wire.LogQuery, None]) -> wire.LogPage:
    """Read on from a cursor."""
    return await call.desk.log_page(call.query.after, call.query.limit, call.tenant)


async def describe(call: Call[None, None]) -> dict[str, Any]:
    """Describe this table."""
    return openapi.document(ROUTES, call.desk.health().version)


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────

ROUTES: tuple[Route, ...] = (
    Route(
        verb="GET",
        path=f"{wire.API}/health",
        also=("/health",),
        name="health",
        summary="How the server is, and where its log stands",
        handler=health,
        answer=wire.Health,
        scope=None,
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/health/live",
        also=("/health/live",),
        name="live",
        summary="Whether the process answers: yes, if this does",
        handler=live,
        answer=wire.Live,
        scope=None,
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/health/ready",
        also=("/health/ready",),
        name="ready",
        summary="Whether work is taken now: 200, or 503 with the reason",
        handler=ready,
        answer=wire.Health,
        scope=None,
        errors=(errors.Unavailable, errors.ShuttingDown),
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/openapi.json",
        name="openapi",
        summary="This description of the API",
        handler=describe,
        answer=dict[str, Any],
        scope=None,
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/log",
        name="readLog",
        summary="Facts of the log, in its order, from a cursor on",
        handler=read_log,
        query=wire.LogQuery,
        answer=wire.LogPage,
        # The log holds facts of every kind, operators' actions too: more than any narrower scope may see.
        scope="admin",
        errors=(errors.PositionUnknown, errors.StoreUnavailable),
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/doctor",
        name="doctor",
        summary="Whether everything is as it must be, and what to do where it is not",
        handler=doctor,
        query=wire.DoctorQuery,
        answer=wire.DoctorReport,
        scope="admin",
        errors=(errors.StoreUnavailable,),
    ),
    Route(
        verb="POST",
        path=f"{wire.API}/backups",
        name="makeBackup",
        summary="Write a copy of the database while it is in use, and check it",
        handler=backup,
        request=wire.BackupRequest,
        answer=wire.BackupMade,
        status=201,
        scope="admin",
        errors=(errors.AlreadyExists, errors.BackupInvalid, errors.StoreUnavailable, errors.DiskFull),
    ),
    Route(
        verb="POST",
        path=f"{wire.API}/retention/prune",
        name="prune",
        summary="Take away what retention no longer keeps, or say what would go",
        handler=prune,
        request=wire.PruneRequest,
        answer=wire.Pruned,
        scope="admin",
        errors=(errors.StoreUnavailable, errors.ShuttingDown),
    ),
    *MESSAGES,
    *BOARD,
    *INBOXES,
    *RUNS,
    *TRIGGERS,
    *STORY,
    *WORKFLOWS,
    *TEMPLATES,
)
