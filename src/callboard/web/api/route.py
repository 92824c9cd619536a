"""What a line of the table of routes says, and what a handler is given.

The contract; the table itself, with its handlers, is `routes.py` and the `routes_*.py` beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from callboard import errors
from callboard.errors import CallboardError
from callboard.ids import PrincipalId, Tenant
from callboard.web import wire
from callboard.web.api.desk import Desk

Scope = Literal[
    "admin",
    "messages:read",
    "messages:send",
    "workflows:read",
    "workflows:execute",
    "workflows:manage",
    "runs:control",
    "approvals:decide",
    "templates:read",
    "templates:manage",
]
"""What a caller must be allowed. The one key of today has all; tokens with fewer come with identities."""

Verb = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Query = TypeVar("Query")
Body = TypeVar("Body")


@dataclass(frozen=True, slots=True)
class Call(Generic[Query, Body]):
    """One request, as a handler sees it: checked, typed, and with a name to it."""

    desk: Desk
    query: Query
    body: Body
    path: dict[str, str]
    principal: PrincipalId
    tenant: Tenant
    key: str | None = None
    """The idempotency key that the caller sent, where the route takes one."""
    last_event: str | None = None
    """Up to where the caller has read a stream, where the route is one."""
    raw: bytes = b""
    """The body as it came, where the route is a hook."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By small letters, where the route is a hook."""


Handler = Callable[[Call[Any, Any]], Coroutine[Any, Any, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the table."""

    verb: Verb
    path: str
    name: str
    """Unique; the OpenAPI operation id."""
    summary: str
    handler: Handler
    """Returns what `answer` says; of a route that streams, an async generator of pages of `Event`."""
    answer: type[Any]
    scope: Scope | None
    """`None` lets in callers without a key."""
    query: type[wire.Request] | None = None
    request: type[wire.Request] | None = None
    status: int = 200
    repeated: int | None = None
    """The status where the answer says that it was `repeated`: done before, under the same id."""
    keyed: bool = False
    """Whether it takes an idempotency key: the same again under the same key is done once."""
    lasting: bool = False
    """Whether it may wait for long: it ends when its caller hangs up, and when the door closes."""
    streams: bool = False
    """Whether it answers with events, one `answer` each, until its caller hangs up. An empty page of them
    only shows that the stream is open."""
    ends: bool = False
    """Whether such a stream comes to an end of its own: 204 for who has read it to that already."""
    hook: bool = False
    """Whether it is called by strangers: it is told the bytes and the headers, knows its callers by itself,
    and the last part of its path may have slashes in it."""
    errors: tuple[type[CallboardError], ...] = ()
    also: tuple[str, ...] = ()
    """Other paths that lead here; probes expect theirs at the root."""

    def all_errors(self) -> list[type[CallboardError]]:
        """Return every error that this route can answer, those that all of its kind share included."""
        found = [*self.errors, CallboardError, errors.Denied]
        if self.scope is not None:
            found.append(errors.Unauthenticated)
        if self.query is not None or self.request is not None or "{" in self.path:
            found.append(errors.RequestInvalid)
        if self.request is not None or self.hook:
            found.append(errors.BodyTooLarge)
        return sorted(set(found), key=lambda error: (error.status, error.code))
