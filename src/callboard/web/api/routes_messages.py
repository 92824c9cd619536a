"""The lines of the table that concern messages: sending, asking, auditing, and what led to what."""

from __future__ import annotations

import msgspec

from callboard import errors
from callboard.errors import RequestInvalid
from callboard.messages import check_name
from callboard.web import inbox, talk, wire
from callboard.web.api import paths
from callboard.web.api.route import Call, Route

LONGEST_ASK = 600.0
"""Seconds that a caller may wait at the door for an answer."""

# ── handlers ─────────────────────────────────────────────────────────────────────────────────────────────


async def send(call: Call[None, talk.SendRequest]) -> talk.Accepted:
    """Send, publish or ask."""
    request = checked_request(call)
    return await call.desk.talk.send(request, key=call.key, principal=call.principal)


def checked_request(call: Call[None, talk.SendRequest]) -> talk.SendRequest:
    """Return what is to be sent or asked, or refuse what could not be."""
    request = call.body
    if (request.to is None) == (request.channel is None):
        raise RequestInvalid("Name a bot in `to`, or a channel in `channel`: one of the two.", field="$.to")
    check_said(request, "$")
    if request.ask is not None:
        _check_ask(request, request.ask, call.key)
    return request


def check_said(said: talk.SendRequest | inbox.AckMessage, where: str) -> None:
    """Refuse names, a body or a pause that cannot be; `where` is the path to them."""
    if said.to is not None:
        check_name("bot", said.to)
    if said.channel is not None:
        check_name("channel", said.channel)
    check_name("type of message", said.type)
    try:
        msgspec.json.decode(bytes(said.body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise RequestInvalid(
            f"The body of the message is not JSON: {fault}.", field=f"{where}.body"
        ) from None
    if said.after is not None:
        paths.duration(said.after, "after")


def _check_ask(request: talk.SendRequest, within: str, key: str | None) -> None:
    """Refuse an ask that could not be answered here."""
    if not 0 < paths.duration(within, "ask") <= LONGEST_ASK:
        raise RequestInvalid("ask is how long to wait for the answer: more than 0, up to 10m.", field="$.ask")
    if request.channel is not None:
        raise RequestInvalid("A channel cannot be asked, only a bot can: name it in `to`.", field="$.channel")
    if request.after is not None or request.reply_to is not None or key is not None:
        raise RequestInvalid(
            f"ask goes with none of after, reply_to and {talk.KEY_HEADER}: it is answered now.",
            field="$.ask",
        )


async def read_message(call: Call[None, None]) -> talk.MessageRow:
    """Return one message."""
    return await call.desk.talk.message(paths.message_id(call))


async def message_causes(call: Call[None, None]) -> talk.Chain:
    """Return what led to a message."""
    message = await call.desk.talk.message(paths.message_id(call))
    return await call.desk.talk.causes(message.position)


async def message_effects(call: Call[talk.EffectsQuery, None]) -> talk.Effects:
    """Return what a message led to."""
    message = await call.desk.talk.message(paths.message_id(call))
    return await call.desk.talk.effects(message.position, call.query.after, call.query.limit)


async def causes(call: Call[None, None]) -> talk.Chain:
    """Return what led to a fact."""
    return await call.desk.talk.causes(paths.position(call, "position"))


async def effects(call: Call[talk.EffectsQuery, None]) -> talk.Effects:
    """Return what a fact led to."""
    found = paths.position(call, "position")
    return await call.desk.talk.effects(found, call.query.after, call.query.limit)


async def messages(call: Call[talk.MessagesQuery, None]) -> talk.AuditPage:
    """Return messages of all, or of one conversation."""
    return await call.desk.talk.audit(call.query, conversation=call.query.conversation)


async def between(call: Call[talk.AuditQuery, None]) -> talk.AuditPage:
    """Return what two said to each other."""
    pair = paths.bot_name(call, "a"), paths.bot_name(call, "b")
    return await call.desk.talk.audit(call.query, pair=pair)


async def on_channel(call: Call[talk.AuditQuery, None]) -> talk.AuditPage:
    """Return what was said on a channel."""
    return await call.desk.talk.audit(call.query, channel=paths.channel_name(call))


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────

_READING = (errors.NotFound, errors.StoreUnavailable)
_AUDITING = (*_READING, errors.PositionUnknown)
SENDING = (
    errors.RecipientUnknown,
    errors.NameInvalid,
    errors.MessageTooLarge,
    errors.Unencodable,
    errors.NotFound,
    errors.Conflict,
    errors.KeyReused,
    errors.AskTimeout,
    errors.RateLimited,
    errors.Overloaded,
    errors.ShuttingDown,
    errors.StoreUnavailable,
    errors.DiskFull,
    errors.OutcomeUnknown,
)

MESSAGES: tuple[Route, ...] = (
    Route(
        verb="POST",
        path=f"{wire.API}/messages",
        name="sendMessage",
        summary="Send to a bot, publish on a channel, or ask a bot and wait for its answer",
        handler=send,
        request=talk.SendRequest,
        answer=talk.Accepted,
        status=202,
        keyed=True,
        scope="messages:send",
        errors=SENDING,
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/messages",
        name="listMessages",
        summary="Messages with what became of each, of all or of one conversation",
        handler=messages,
        query=talk.MessagesQuery,
        answer=talk.AuditPage,
        scope="messages:read",
        errors=_AUDITING,
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/messages/{{message}}",
        name="readMessage",
        summary="One message, with what became of it at each bot",
        handler=read_message,
        answer=talk.MessageRow,
        scope="messages:read",
        errors=_READING,
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/messages/{{message}}/causes",
        name="messageCauses",
        summary="A message, what led to it, what led to that, and so on",
        handler=message_causes,
        answer=talk.Chain,
        scope="messages:read",
        errors=_READING,
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/messages/{{message}}/effects",
        name="messageEffects",
        summary="All that a message led to, directly and through others",
        handler=message_effects,
        query=talk.EffectsQuery,
        answer=talk.Effects,
        scope="messages:read",
        errors=_AUDITING,
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/log/{{position}}/causes",
        name="factCauses",
        summary="A fact of the log, what led to it, what led to that, and so on",
        handler=causes,
        answer=talk.Chain,
        scope="admin",
        errors=_READING,
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/log/{{position}}/effects",
        name="factEffects",
        summary="All that a fact of the log led to, directly and through others",
        handler=effects,
        query=talk.EffectsQuery,
        answer=talk.Effects,
        scope="admin",
        errors=_AUDITING,
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/conversations/{{a}}/{{b}}",
        name="auditPair",
        summary="What exactly two said to each other, in both directions, and what became of it",
        handler=between,
        query=talk.AuditQuery,
        answer=talk.AuditPage,
        scope="messages:read",
        errors=(*_AUDITING, errors.NameInvalid),
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/channels/{{channel}}/messages",
        name="auditChannel",
        summary="What was said on a channel, and what became of it",
        handler=on_channel,
        query=talk.AuditQuery,
        answer=talk.AuditPage,
        scope="messages:read",
        errors=(*_AUDITING, errors.NameInvalid),
    ),
)
