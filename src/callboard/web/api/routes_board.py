"""The lines of the table that concern who is on the board: channels, bots and dead letters."""

from __future__ import annotations

from callboard import errors
from callboard.messages import check_name
from callboard.web import talk, wire
from callboard.web.api import paths
from callboard.web.api.route import Call, Route

# ── handlers ─────────────────────────────────────────────────────────────────────────────────────────────


async def list_channels(call: Call[None, None]) -> talk.ChannelList:
    """Return all channels."""
    return await call.desk.talk.channels()


async def read_channel(call: Call[None, None]) -> talk.ChannelAnswer:
    """Return one channel."""
    return await call.desk.talk.channel(paths.channel_name(call))


async def create_channel(call: Call[None, talk.ChannelRequest]) -> talk.ChannelMade:
    """See that there is a channel."""
    return await call.desk.talk.create_channel(check_name("channel", call.body.name), call.principal)


async def delete_channel(call: Call[talk.DeleteChannelQuery, None]) -> talk.Done:
    """Take a channel away."""
    name = paths.channel_name(call)
    return await call.desk.talk.delete_channel(name, force=call.query.force, principal=call.principal)


async def subscribe(call: Call[None, talk.SubscribeRequest]) -> talk.Done:
    """Have a bot listen."""
    bot, pattern = paths.bot_name(call), paths.channel_pattern(call)
    return await call.desk.talk.subscribe(bot, pattern, call.body, call.principal)


async def unsubscribe(call: Call[None, None]) -> talk.Done:
    """Have a bot listen no longer."""
    bot, pattern = paths.bot_name(call), paths.channel_pattern(call)
    return await call.desk.talk.unsubscribe(bot, pattern, call.principal)


async def list_bots(call: Call[None, None]) -> talk.BotList:
    """Return all bots."""
    return await call.desk.talk.bots()


async def read_bot(call: Call[None, None]) -> talk.BotDetail:
    """Return one bot."""
    return await call.desk.talk.bot(paths.bot_name(call))


async def restart_bot(call: Call[None, None]) -> talk.BotDetail:
    """Let a bot work again."""
    return await call.desk.talk.restart(paths.bot_name(call))


async def reload_bots(call: Call[None, None]) -> talk.Reloaded:
    """Load the files of bots, actions and workflows again."""
    return await call.desk.talk.reload(call.principal)


async def list_dead_letters(call: Call[talk.DeadLettersQuery, None]) -> talk.DeadLetters:
    """Return dead letters."""
    query = call.query
    if query.bot is not None:
        check_name("bot", query.bot)
    return await call.desk.talk.dead_letters(query.bot, query.after, query.limit)


async def read_dead_letter(call: Call[None, None]) -> talk.DeadLetterDetail:
    """Return one dead letter."""
    return await call.desk.talk.dead_letter(paths.position(call, "letter"))


async def redrive(call: Call[None, None]) -> talk.Done:
    """Have a dead letter tried again."""
    return await call.desk.talk.redrive(paths.position(call, "letter"), call.principal)


async def purge(call: Call[None, None]) -> talk.Done:
    """Take a dead letter off the list."""
    return await call.desk.talk.purge(paths.position(call, "letter"), call.principal)


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────

_READING = (errors.NotFound, errors.StoreUnavailable)
_WRITING = (*_READING, errors.ShuttingDown, errors.DiskFull, errors.OutcomeUnknown)
_CHANNEL = f"{wire.API}/channels/{{channel}}"
_SUBSCRIBER = f"{_CHANNEL}/subscribers/{{bot}}"
_BOT = f"{wire.API}/bots/{{bot}}"
_LETTER = f"{wire.API}/dead-letters/{{letter}}"

BOARD: tuple[Route, ...] = (
    Route(
        verb="GET",
        path=f"{wire.API}/channels",
        name="listChannels",
        summary="All channels, and who listens to them",
        handler=list_channels,
        answer=talk.ChannelList,
        scope="messages:read",
        errors=(errors.StoreUnavailable,),
    ),
    Route(
        verb="POST",
        path=f"{wire.API}/channels",
        name="createChannel",
        summary="See that there is a channel",
        handler=create_channel,
        request=talk.ChannelRequest,
        answer=talk.ChannelMade,
        status=201,
        scope="messages:send",
        errors=(*_WRITING, errors.NameInvalid),
    ),
    Route(
        verb="GET",
        path=_CHANNEL,
        name="readChannel",
        summary="One channel, and who listens to it",
        handler=read_channel,
        answer=talk.ChannelAnswer,
        scope="messages:read",
        errors=(*_READING, errors.NameInvalid),
    ),
    Route(
        verb="DELETE",
        path=_CHANNEL,
        name="deleteChannel",
        summary="Take a channel away; what was said on it stays in the log",
        handler=delete_channel,
        query=talk.DeleteChannelQuery,
        answer=talk.Done,
        scope="admin",
        errors=(*_WRITING, errors.NameInvalid, errors.ChannelInUse),
    ),
    Route(
        verb="PUT",
        path=_SUBSCRIBER,
        name="subscribe",
        summary="Have a bot listen to a channel, or to all that fit a pattern",
        handler=subscribe,
        request=talk.SubscribeRequest,
        answer=talk.Done,
        scope="messages:send",
        errors=(*_WRITING, errors.NameInvalid, errors.RecipientUnknown, errors.PositionUnknown),
    ),
    Route(
        verb="DELETE",
        path=_SUBSCRIBER,
        name="unsubscribe",
        summary="Have a bot listen no longer; what was said before is still delivered",
        handler=unsubscribe,
        answer=talk.Done,
        scope="messages:send",
        errors=(*_WRITING, errors.NameInvalid, errors.RecipientUnknown),
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/bots",
        name="listBots",
        summary="All bots that were ever declared",
        handler=list_bots,
        answer=talk.BotList,
        scope="messages:read",
        errors=(errors.StoreUnavailable,),
    ),
    Route(
        verb="POST",
        path=f"{wire.API}/bots/reload",
        name="reloadBots",
        summary="Load bots, actions and workflow files again; what changed is replaced, all else left alone",
        handler=reload_bots,
        answer=talk.Reloaded,
        scope="admin",
        errors=(*_WRITING, errors.ActorError, errors.ConfigInvalid),
    ),
    Route(
        verb="GET",
        path=_BOT,
        name="readBot",
        summary="One bot, what it listens to, and how much waits for it",
        handler=read_bot,
        answer=talk.BotDetail,
        scope="messages:read",
        errors=(*_READING, errors.NameInvalid),
    ),
    Route(
        verb="POST",
        path=f"{_BOT}/restart",
        name="restartBot",
        summary="Let a bot that was set aside work again",
        handler=restart_bot,
        answer=talk.BotDetail,
        scope="admin",
        errors=(
            *_READING,
            errors.NameInvalid,
            errors.ConfigInvalid,
            errors.BotInvalid,
            errors.Conflict,
            errors.ShuttingDown,
        ),
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/dead-letters",
        name="listDeadLetters",
        summary="Messages that will not be handled, unless they are redriven",
        handler=list_dead_letters,
        query=talk.DeadLettersQuery,
        answer=talk.DeadLetters,
        scope="messages:read",
        errors=(*_READING, errors.NameInvalid, errors.PositionUnknown),
    ),
    Route(
        verb="GET",
        path=_LETTER,
        name="readDeadLetter",
        summary="One dead letter, with its whole story",
        handler=read_dead_letter,
        answer=talk.DeadLetterDetail,
        scope="messages:read",
        errors=_READING,
    ),
    Route(
        verb="POST",
        path=f"{_LETTER}/redrive",
        name="redriveDeadLetter",
        summary="Have a dead letter tried again, with fresh attempts",
        handler=redrive,
        answer=talk.Done,
        scope="admin",
        errors=(*_WRITING, errors.Conflict),
    ),
    Route(
        verb="DELETE",
        path=_LETTER,
        name="purgeDeadLetter",
        summary="Take a dead letter off the list; it stays in the log",
        handler=purge,
        answer=talk.Done,
        scope="admin",
        errors=(*_WRITING, errors.Conflict),
    ),
)
