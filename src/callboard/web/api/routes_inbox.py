"""The lines of the table that concern bots outside and persons: declaring, reading, acknowledging, saying."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from callboard import errors
from callboard.errors import KindUnavailable, RequestInvalid
from callboard.messages import check_name, check_pattern
from callboard.spelling import did_you_mean, shown
from callboard.web import inbox, talk, wire
from callboard.web.api import paths
from callboard.web.api.event import Event
from callboard.web.api.route import Call, Route
from callboard.web.api.routes_messages import SENDING, check_said, checked_request

LONGEST_WAIT = 60.0
"""Seconds that a long poll may wait."""

OTHERWISE = {
    "python": "A python bot is a class: write it in a file of the folder bots/.",
    "webhook": "A webhook bot is declared in config/callboard.toml, with its address and its secret.",
    "workflow": "A workflow bot is declared in config/callboard.toml, with the name of its workflow.",
    "llm": "Bots of the kind llm are not there yet.",
}
"""What to do for a kind that is not declared here."""

# ── handlers ─────────────────────────────────────────────────────────────────────────────────────────────


async def declare(call: Call[None, inbox.DeclareRequest]) -> talk.BotDetail:
    """See that there is a bot outside, or a person."""
    request = call.body
    check_name("bot", request.name)
    for pattern in request.subscribes or ():
        check_pattern(pattern)
    if request.kind in OTHERWISE:
        raise KindUnavailable(OTHERWISE[request.kind], kind=request.kind)
    if request.kind not in {"outside", "person"}:
        near = did_you_mean(request.kind, ["outside", "person", *OTHERWISE]) or "."
        raise RequestInvalid(
            f"kind is {shown(request.kind)}: a bot that is declared here is outside or person{near}",
            field="$.kind",
        )
    await call.desk.inbox.declare(request, call.principal)
    return await call.desk.talk.bot(request.name)


async def remove(call: Call[None, None]) -> inbox.RemovedAnswer:
    """Take a bot off the board."""
    return await call.desk.inbox.remove(paths.bot_name(call), call.principal)


async def send_as(call: Call[None, talk.SendRequest]) -> talk.Accepted:
    """Send, publish or ask as somebody outside."""
    bot, request = paths.bot_name(call), checked_request(call)
    return await call.desk.inbox.send(bot, request, key=call.key, principal=call.principal)


async def read(call: Call[inbox.InboxQuery, None]) -> inbox.InboxPage:
    """Return what waits, or wait for it."""
    bot = paths.bot_name(call)
    if paths.duration(call.query.wait, "wait") > LONGEST_WAIT:
        raise RequestInvalid("wait is at most 60s: read again when nothing came.", field="?wait")
    return await call.desk.inbox.read(bot, call.query)


async def stream(
    call: Call[inbox.StreamQuery, None],
) -> AsyncGenerator[list[Event[inbox.InboxRow]], None]:
    """Stream what waits and what comes."""
    return call.desk.inbox.stream(paths.bot_name(call), call.query, call.last_event or call.query.after)


async def acknowledge(call: Call[None, inbox.AckRequest]) -> inbox.AckAnswer:
    """Settle what was read."""
    bot, request = paths.bot_name(call), call.body
    if request.failed is not None and request.messages:
        raise RequestInvalid(
            "A message that failed sends nothing: leave out messages, or failed.", field="$.messages"
        )
    for number, one in enumerate(request.messages):
        where = f"$.messages[{number}]"
        if one.to is not None and one.channel is not None:
            raise RequestInvalid(
                "Name a bot in `to`, or a channel in `channel`, or neither for a reply.", field=f"{where}.to"
            )
        check_said(one, where)
    return await call.desk.inbox.acknowledge(bot, request)


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────

_THERE = (
    errors.NotFound,
    errors.NameInvalid,
    errors.Conflict,
    errors.StoreUnavailable,
    errors.ShuttingDown,
)
_WRITING = (*_THERE, errors.DiskFull, errors.OutcomeUnknown)
_READING = (
    *_THERE,
    errors.ReaderConflict,
    errors.PositionUnknown,
    errors.ActorStopped,
    errors.AskTimeout,
)
_BOT = f"{wire.API}/bots/{{bot}}"

INBOXES: tuple[Route, ...] = (
    Route(
        verb="POST",
        path=f"{wire.API}/bots",
        name="declareBot",
        summary="See that there is a bot outside, or a person",
        handler=declare,
        request=inbox.DeclareRequest,
        answer=talk.BotDetail,
        status=201,
        scope="messages:send",
        errors=(*_WRITING, errors.KindUnavailable),
    ),
    Route(
        verb="DELETE",
        path=_BOT,
        name="removeBot",
        summary="Take a bot off the board; what waits for it becomes dead letters",
        handler=remove,
        answer=inbox.RemovedAnswer,
        scope="admin",
        errors=_WRITING,
    ),
    Route(
        verb="POST",
        path=f"{_BOT}/messages",
        name="sendAs",
        summary="Send, publish or ask as a bot outside, or as a person",
        handler=send_as,
        request=talk.SendRequest,
        answer=talk.Accepted,
        status=202,
        keyed=True,
        scope="messages:send",
        errors=(*SENDING, errors.AskCycle),
    ),
    Route(
        verb="GET",
        path=f"{_BOT}/inbox",
        name="readInbox",
        summary="What waits for a bot outside, or a person; reading acknowledges nothing",
        handler=read,
        query=inbox.InboxQuery,
        answer=inbox.InboxPage,
        scope="messages:read",
        lasting=True,
        errors=_READING,
    ),
    Route(
        verb="GET",
        path=f"{_BOT}/inbox/stream",
        name="streamInbox",
        summary="What waits, and then what comes, as server-sent events; reading acknowledges nothing",
        handler=stream,
        query=inbox.StreamQuery,
        answer=inbox.InboxRow,
        scope="messages:read",
        streams=True,
        errors=_READING,
    ),
    Route(
        verb="POST",
        path=f"{_BOT}/ack",
        name="acknowledge",
        summary="Settle what was read, and send messages with it; or say that one failed",
        handler=acknowledge,
        request=inbox.AckRequest,
        answer=inbox.AckAnswer,
        scope="messages:send",
        errors=(
            *_WRITING,
            errors.ReaderConflict,
            errors.NotServed,
            errors.PositionUnknown,
            errors.RecipientUnknown,
            errors.MessageTooLarge,
            errors.TurnTooLarge,
            errors.BadInput,
            errors.RateLimited,
            errors.ActorStopped,
            errors.AskTimeout,
        ),
    ),
)
