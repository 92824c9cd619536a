"""The Starlette application, made from the table of routes.

A request passes, in this order: its correlation id (the caller's own, if it is fit to be written down), its
`Host` (a loopback name, or a web page could reach us through a name of its own that resolves to 127.0.0.1),
its declared length, its path and verb, its key, its query and body (strictly as the route declares), and then
the handler. Whatever fails on the way becomes a problem document; no trace leaves this process.

The layers are plain ASGI: Starlette's own request and middleware classes cost more than the rest together.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route as StarletteRoute
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from callboard import logs
from callboard.errors import (
    CallboardError,
    Denied,
    OutcomeUnknown,
    RequestInvalid,
    ShuttingDown,
    Unauthenticated,
    VerbNotAllowed,
)
from callboard.ids import DEFAULT_TENANT, LOCAL_USER, Ids
from callboard.settings import Door, is_loopback
from callboard.web import inbox, talk, wire
from callboard.web.api import landing, problems
from callboard.web.api.desk import Desk
from callboard.web.api.lasting import EventStream, Seats, while_wanted
from callboard.web.api.reading import Gone, collect, read_body, read_query, too_large
from callboard.web.api.route import Call, Route
from callboard.web.api.routes import ROUTES

log = logs.get_logger(__name__)

LONGEST_KEY = 200


def application(
    desk: Desk,
    *,
    key: str,
    body_bytes: int,
    ids: Ids,
    closing: asyncio.Event,
    streams: int = Door().streams,
    routes: Sequence[Route] = ROUTES,
) -> ASGIApp:
    """Return the application that serves the table's routes for a desk, to whoever has the key.

    Once `closing` is set, what waits for long is ended. Of streams, so many may be open at once.
    """
    by_path: dict[str, dict[str, Route]] = {}
    for route in routes:
        for path in (route.path, *route.also):
            by_path.setdefault(path, {})[route.verb] = route

    async def front(_request: Request) -> Response:
        return HTMLResponse(landing.page(desk.health()), headers=landing.HEADERS)

    async def lost(_request: Request, fault: Exception) -> Response:
        return problems.response(fault)

    seats = Seats(streams)
    served = [
        StarletteRoute(
            _served_at(path, verbs),
            Resource(desk, key, body_bytes, verbs, closing, seats),
            methods=_only(path, verbs, by_path),
        )
        for path, verbs in by_path.items()
    ]
    app = Starlette(
        routes=[*served, StarletteRoute("/", front)],
        exception_handlers={HTTPException: lost},
    )
    # A path with a slash too many is unknown, not nearly known: redirects hide mistakes, and repeat the Host.
    app.router.redirect_slashes = False
    return Guard(app, body_bytes, ids)


def _served_at(path: str, verbs: Mapping[str, Route]) -> str:
    """Return a path as the router takes it: the last part of a hook's may have slashes in it."""
    return path[:-1] + ":path}" if any(route.hook for route in verbs.values()) else path


def _only(path: str, verbs: Mapping[str, Route], paths: Iterable[str]) -> list[str] | None:
    """Return the verbs that a path keeps to itself; None is all.

    `/bots/reload` takes POST, and a bot may be called reload: it is read at `/bots/{bot}` all the same.
    """
    general = (one for one in paths if one != path and compile_path(one)[0].fullmatch(path))
    return list(verbs) if "{" not in path and any(general) else None


class Guard:
    """What every request passes, also those that lead nowhere."""

    def __init__(self, inner: ASGIApp, body_bytes: int, ids: Ids) -> None:
        self._inner = inner
        self._body_bytes = body_bytes
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        correlation_id = logs.accept_correlation_id(headers.get(wire.CORRELATION_HEADER), self._ids)
        begun, status = time.perf_counter(), 0

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = MutableHeaders(scope=message)
                own[wire.CORRELATION_HEADER] = correlation_id
                own["X-Content-Type-Options"] = "nosniff"
                own.setdefault("Cache-Control", "no-store")
            await send(message)

        with logs.context(correlation_id=correlation_id):
            try:
                self._check(headers)
                await self._inner(scope, receive, marked)
            except Gone:
                log.debug("the caller hung up", path=scope["path"])
            except asyncio.CancelledError:
                # The grace time is over. Swallowed: the request ends here, with an answer if none is out yet.
                if not status:
                    await problems.response(_cut_short(scope["method"]))(scope, receive, marked)
            except Exception as fault:
                if status:
                    # Half an answer is out. Ending the connection is the only way left to say that it failed.
                    log.exception("an answer broke off", path=scope["path"])
                    raise ConnectionAbortedError from None
                await problems.response(fault)(scope, receive, marked)
            log.debug(
                "answered",
                verb=scope["method"],
                path=scope["path"],
                status=status,
                ms=round((time.perf_counter() - begun) * 1000, 2),
            )

    def _check(self, headers: Headers) -> None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not is_loopback(_name_of(hosts[0])):
            raise Denied("This door answers only to loopback names: ask for 127.0.0.1, [::1] or localhost.")
        declared = headers.get("content-length", "0")
        if len(declared) > len(str(1 << 63)) or (declared.isdecimal() and int(declared) > self._body_bytes):
            raise too_large(self._body_bytes)


class Resource:
    """All verbs of one path."""

    def __init__(
        self,
        desk: Desk,
        key: str,
        body_bytes: int,
        verbs: dict[str, Route],
        closing: asyncio.Event,
        seats: Seats,
    ) -> None:
        self._desk = desk
        self._key = key.encode()
        self._body_bytes = body_bytes
        self._verbs = verbs
        self._closing = closing
        self._seats = seats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(scope, receive)
        except Gone:
            raise
        except Exception as fault:  # noqa: BLE001  (whatever a handler raises is answered here)
            response = problems.response(fault)
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> ASGIApp:
        verb = "GET" if scope["method"] == "HEAD" else scope["method"]
        route = self._verbs.get(verb)
        if route is None or (route.streams and scope["method"] == "HEAD"):
            raise VerbNotAllowed(
                f"This path takes {' or '.join(self._verbs)}, not {scope['method']}.",
                allowed=list(self._verbs),
            )
        headers = Headers(scope=scope)
        if route.scope is not None:
            self._check_key(headers)
        query = read_query(b"" if route.hook else scope["query_string"], route.query or _Nothing)
        body = None
        if route.request is not None:
            _check_json(headers)
            body = read_body(await collect(receive, self._body_bytes), route.request)
        raw = await collect(receive, self._body_bytes) if route.hook else b""
        key = _idempotency_key(headers) if route.keyed else None
        last_event = _last_event(headers) if route.streams else None
        call = Call(
            *(self._desk, query, body, scope["path_params"], LOCAL_USER, DEFAULT_TENANT, key, last_event),
            *(raw, _joined(headers) if route.hook else {}),
        )
        with logs.context(principal=call.principal, tenant=call.tenant):
            if route.streams:
                events: Any = await route.handler(call)
                return await EventStream.open(events, receive, self._closing, self._seats)
            handling = route.handler(call)
            answer = await (while_wanted(handling, receive, self._closing) if route.lasting else handling)
        again = route.repeated is not None and getattr(answer, "repeated", False)
        status = route.repeated if again else route.status
        return Response(msgspec.json.encode(answer), status or route.status, media_type="application/json")

    def _check_key(self, headers: Headers) -> None:
        offered = headers.getlist("authorization")
        scheme, _, given = offered[0].partition(" ") if len(offered) == 1 else ("", "", "")
        # Compared in constant time: how long it takes must not tell how much of it was right.
        right = hmac.compare_digest(given.strip().encode("latin-1", "replace"), self._key)
        if scheme.lower() != wire.KEY_SCHEME.lower() or not right:
            raise Unauthenticated(
                f"Send the key of the data folder's door.key as `Authorization: {wire.KEY_SCHEME} KEY`."
            )


class _Nothing(wire.Request, frozen=True):
    """The query of a route that takes none."""


def _name_of(host: str) -> str:
    """Return the name in a `Host` header, without its port; a malformed one matches nothing."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        return name if bracket and (not port or (port[0] == ":" and port[1:].isdecimal())) else ""
    name, colon, port = host.partition(":")
    return name if not colon or port.isdecimal() else ""


def _cut_short(verb: str) -> CallboardError:
    if verb in {"GET", "HEAD"}:
        return ShuttingDown("The server is closing; ask again when it is back.")
    return OutcomeUnknown(
        "The server closed while this was being done: see whether it was before you repeat it."
    )


def _joined(headers: Headers) -> dict[str, str]:
    """Return headers by small letters; what came twice is joined, as HTTP has it, and so is no secret."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _idempotency_key(headers: Headers) -> str | None:
    given = headers.getlist(talk.KEY_HEADER)
    if not given:
        return None
    if len(given) > 1 or not 0 < len(given[0]) <= LONGEST_KEY or not given[0].isprintable():
        raise RequestInvalid(
            f"Send {talk.KEY_HEADER} once, with 1 to {LONGEST_KEY} printable characters.",
            field=talk.KEY_HEADER,
        )
    return given[0]


def _last_event(headers: Headers) -> str | None:
    given = headers.getlist(inbox.RESUME_HEADER)
    if len(given) > 1:
        raise RequestInvalid(f"Send {inbox.RESUME_HEADER} once.", field=inbox.RESUME_HEADER)
    return given[0] if given and given[0] else None


def _check_json(headers: Headers) -> None:
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestInvalid(
            "The body must be JSON, sent as `Content-Type: application/json`.", field="Content-Type"
        )
