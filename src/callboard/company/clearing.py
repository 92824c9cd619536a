"""Clearing an inbox: what a bot will never handle becomes dead letters.

That is what waits for a bot that an operator removes, and what waited too long for one that was absent or
fell behind, so that an abandoned reader cannot hold the log for ever. It is done in pages, each a turn of
its own; one that was cut short is taken up again at the next start, or at the next look.

Only one may settle what is in an inbox. So a bot whose actor runs is told to do it itself (`Expire`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog

from callboard.company.asking import Services
from callboard.company.board import Line
from callboard.company.sitting import Delivered, Sitting
from callboard.facts.membership import BotRemoved, Unsubscribed, bot_stream
from callboard.facts.mishaps import Reason
from callboard.ids import BotName, Position, PrincipalId
from callboard.messages import Message
from callboard.store.boardrows import Delivery
from callboard.store.changes import CloseWait
from callboard.store.port import WHENEVER

PAGE = 100

_log = structlog.get_logger("callboard.bus")


class Expire(msgspec.Struct, frozen=True):
    """Told to a bot: what was sent before this time will not be handled any more."""

    before: datetime


class _Why(msgspec.Struct, frozen=True):
    reason: Reason
    text: str
    before: datetime | None
    """What was sent before; None is all there is."""

    def fits(self, message: Message) -> bool:
        return self.before is None or message.at < self.before


async def remove(services: Services, line: Line, principal: PrincipalId) -> None:
    """Take a bot off the board: it listens no longer, and waits for nothing."""
    turn = services.journal.turn(principal=principal)
    facts: list[msgspec.Struct] = [
        Unsubscribed(line.name, one.pattern) for one in services.board.listens(line.name)
    ]
    turn.append(bot_stream(line.name), "bot", [*facts, BotRemoved(line.name)], expected=None)
    for wait in await services.store.waits(bot_stream(line.name)):
        turn.change(CloseWait(wait.id))
    await services.journal.commit(turn)


async def bury_rest(services: Services, line: Line) -> int:
    """Make dead letters of all that a removed bot had still to handle."""
    buried = await _clear(services, line.name, _Why("REMOVED", f"{line.name} was removed.", None))
    if buried:
        _log.warning("bot.rest_buried", bot=line.name, count=buried)
    return buried


async def expire(services: Services, before: datetime) -> int:
    """Look at every bot on the board, and clear what waited too long; return how much of it was done here."""
    buried = 0
    for name in list(services.board.bots):
        line = services.board.find(name)
        if line is None or not await _is_behind(services, line.name, before):
            continue
        if line.ref is not None and line.ref.is_alive():
            line.ref.tell(Expire(before))
        else:
            buried += await expire_one(services, line.name, before)
    return buried


async def expire_one(services: Services, bot: BotName, before: datetime) -> int:
    """Clear what waited too long for one bot."""
    why = _Why("EXPIRED", f"{bot} did not handle it within the time that messages wait for a bot.", before)
    buried = await _clear(services, bot, why)
    if buried:
        _log.error("bot.messages_expired", bot=bot, count=buried, sent_before=before.isoformat())
    return buried


async def _is_behind(services: Services, bot: BotName, before: datetime) -> bool:
    store = services.store
    for behind in await store.catch_ups(bot):
        page = await store.catch_up(behind.subscription.opened, behind.cursor, 1)
        if page.messages and page.messages[0].at < before:
            return True
    page = await store.inbox(bot, await _cursor(services, bot), 1)
    return bool(page.messages) and page.messages[0].at < before


async def _cursor(services: Services, bot: BotName) -> Position:
    cursor = await services.store.cursor(bot)
    return services.board.bots[bot].declared if cursor is None else cursor


async def _clear(services: Services, bot: BotName, why: _Why) -> int:
    """Bury what is being tried again, then each catch-up, then the bot's own stream."""
    store, buried = services.store, 0
    if why.before is None:
        buried += await _bury_beside(services, bot, why)
    for behind in await store.catch_ups(bot):
        opened, place = behind.subscription.opened, behind.cursor
        while place < opened:
            page = await store.catch_up(opened, place, PAGE)
            count = await _bury(services, bot, page.messages, why, opened)
            buried += count
            if count < len(page.messages):
                break
            place = page.seen
        else:
            sitting = Sitting(bot, services.board, services.journal)
            sitting.reach(opened, opened)
            await services.journal.commit(sitting.close(None))
    place, more = await _cursor(services, bot), True
    while more:
        page = await store.inbox(bot, place, PAGE)
        count = await _bury(services, bot, page.messages, why, None)
        buried, place = buried + count, page.seen
        more = bool(page.messages) and count == len(page.messages)
    return buried


async def _bury_beside(services: Services, bot: BotName, why: _Why) -> int:
    store, buried = services.store, 0
    pages: Sequence[Delivery] = [*await store.started(bot), *await store.retries(bot, WHENEVER, PAGE)]
    while pages:
        found = [(one, await store.message_at(one.message)) for one in pages]
        given = [Delivered(message, one.attempts, beside=True) for one, message in found if message]
        await _write(services, bot, given, why)
        buried += len(given)
        pages = await store.retries(bot, WHENEVER, PAGE) if given else []
    return buried


async def _bury(
    services: Services, bot: BotName, messages: Sequence[Message], why: _Why, catch_up: Position | None
) -> int:
    """Bury the messages of a page up to the first that may stay, and return how many."""
    given = []
    for message in messages:
        if not why.fits(message):
            break
        tried = await services.store.delivery(bot, message.position)
        given.append(Delivered(message, tried.attempts if tried else 0, catch_up=catch_up))
    await _write(services, bot, given, why)
    return len(given)


async def _write(services: Services, bot: BotName, given: Sequence[Delivered], why: _Why) -> None:
    if given:
        sitting = Sitting(bot, services.board, services.journal)
        for one in given:
            sitting.dead(one, why.reason, why.text, None, [])
        await services.journal.commit(sitting.close(None))
