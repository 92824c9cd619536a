"""What crosses the door: every request and answer of the HTTP API, as structs that both sides share.

The server decodes requests strictly: an unknown field is refused with its path. The client decodes answers
tolerantly: a newer server may say more. Docstrings and field descriptions here are what the OpenAPI document
shows.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from callboard.ids import Position, PrincipalId, Tenant

API = "/api/v1"
KEY_SCHEME = "Bearer"
CORRELATION_HEADER = "X-Correlation-Id"
PROBLEM_TYPE = "application/problem+json"

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]

CURSOR = r"^[0-9]{1,19}@[A-Za-z0-9-]{1,64}$"
DURATION = r"^[0-9]{1,15}(ms|s|m|h|d)$"
UP_TO = r"^[0-9]{1,18}(@[A-Za-z0-9-]{1,64})?$"

SIDE = r"^([1-9][0-9]{0,8}|active|draft)$"
"""One of two texts of a workflow that are compared."""

WRITTEN = {
    CURSOR: "a cursor such as 17@0a1b2c3d4e5f, which is the `next` of an earlier answer",
    DURATION: "a whole number and a unit, such as 250ms, 30s, 5m, 2h or 1d",
    UP_TO: "a cursor or a position of the log, such as 17@0a1b2c3d4e5f or 17",
    SIDE: "the number of a version, or active, or draft",
}
"""What each pattern of a field means, in the words for whoever wrote something else."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller sends; unknown fields are refused."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says; unknown fields are passed over by the client."""


class Problem(Answer, frozen=True, kw_only=True):
    """What went wrong, as RFC 9457 writes it, with a stable code."""

    type: str
    title: str
    status: int
    detail: str
    """One sentence that says what happened and what to do."""
    code: str
    correlation_id: str
    """Under this the server's log has the whole story."""
    retryable: bool = False
    details: dict[str, Any] = {}


# ── health ───────────────────────────────────────────────────────────────────────────────────────────────


class Health(Answer, frozen=True, kw_only=True):
    """How the server is, and where its log stands."""

    status: Literal["starting", "ok", "failing", "closing"]
    ready: bool
    reason: str | None
    """Why it is not ready."""
    version: str
    log_id: str
    head: int
    """The newest position of the log."""
    started_at: datetime


class Live(Answer, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Check(Answer, frozen=True, kw_only=True):
    """One thing that the doctor looked at."""

    name: str
    ok: bool
    detail: str
    fix: str | None = None
    """What to do when it is not well."""


class DoctorQuery(Request, frozen=True, kw_only=True):
    """What the doctor shall look at."""

    full: bool = False
    """Also what takes long: every page of the database, every projection rebuilt and compared."""


class DoctorReport(Answer, frozen=True, kw_only=True):
    """Everything that the doctor looked at."""

    ok: bool
    checks: list[Check]
    where: Literal["server", "offline"]
    """Whether the running server was asked, or its files were read without one."""


# ── the database file ────────────────────────────────────────────────────────────────────────────────────


class BackupRequest(Request, frozen=True, kw_only=True):
    """Where the backup goes."""

    path: Text
    """An absolute path on the server's machine; nothing may be there yet."""


class BackupMade(Answer, frozen=True, kw_only=True):
    """A backup that was written and then checked."""

    path: str
    bytes: int
    log_id: str
    head: int
    checks: str
    """What was checked, in words."""
    recorded: bool = True
    """Whether it is in the log that the backup was made; not if nothing can be written there now."""


class Restored(Answer, frozen=True, kw_only=True):
    """A backup that took the place of the database."""

    path: str
    kept: str | None
    """Where the database that was there before now lies."""
    log_id: str
    """The new identity: cursors of before are refused."""
    head: int


class Rebuilt(Answer, frozen=True, kw_only=True):
    """The derived tables, made anew from the log."""

    different: list[str]
    """Those that did not hold what the log says."""


class PruneRequest(Request, frozen=True, kw_only=True):
    """Whether to do it or only to say what would be done."""

    dry_run: bool = False


class Pruned(Answer, frozen=True, kw_only=True):
    """What retention took away, or would."""

    messages: int
    streams: int
    events: int
    bytes_before: int
    bytes_after: int
    dry_run: bool


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────────


class LogQuery(Request, frozen=True, kw_only=True):
    """Which part of the log."""

    after: Annotated[str, msgspec.Meta(pattern=CURSOR)] | None = None
    """The `next` of an earlier page; without it the log is read from its beginning."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class LogRow(Answer, frozen=True, kw_only=True):
    """One fact of the log."""

    position: Position
    cause: Position | None
    """The position that led to it."""
    kind: Literal["event", "message", "action"]
    tenant: Tenant
    principal: PrincipalId
    at: datetime
    subject: str
    """The stream, the recipient or the target."""
    type: str
    data: msgspec.Raw


class LogPage(Answer, frozen=True, kw_only=True):
    """A part of the log, in its order."""

    data: list[LogRow]
    next: str
    """The cursor from which to go on, `<position>@<log id>`; the same again while nothing is new."""
