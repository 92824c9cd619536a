"""Dead letters: having one tried again, and taking one off the list.

A message that its bot could not handle gets fresh attempts at that bot, beside the stream. One that was never
sent, since too many followed one from another or nobody was there, is sent anew.
"""

from __future__ import annotations

import msgspec
import structlog

from callboard.authoring.bot import Say
from callboard.company.asking import Services
from callboard.company.sitting import written
from callboard.errors import Conflict, NotFound, RecipientUnknown
from callboard.facts.membership import bot_stream
from callboard.facts.mishaps import DeadLettered, DeadLetterPurged, DeadLetterRedriven
from callboard.ids import MessageId, Position, PrincipalId
from callboard.store.boardrows import DeadLetter
from callboard.store.changes import RecordDelivery

_log = structlog.get_logger("callboard.bus")


async def redrive(services: Services, letter: Position, principal: PrincipalId) -> None:
    """Have a dead letter tried again: fresh attempts, beside the stream, hops counted from 0."""
    redriving = services.board.redriving
    if letter in redriving:
        raise Conflict(f"The dead letter {letter} is being redriven just now.")
    redriving.add(letter)
    try:
        await _redrive(services, letter, principal)
    finally:
        redriving.discard(letter)


async def _redrive(services: Services, letter: Position, principal: PrincipalId) -> None:
    dead = await _dead(services, letter)
    if dead.redriven is not None:
        raise Conflict(f"The dead letter {letter} was redriven already, at position {dead.redriven}.")
    turn = services.journal.turn(principal=principal, cause=letter)
    (ref,) = turn.append(bot_stream(dead.bot), "bot", [DeadLetterRedriven(dead.bot, letter)], expected=None)
    if dead.message is None:
        fact = await _story(services, dead)
        to = fact.to
        if to.kind == "bot":
            _on_board(services, to.name)
        else:
            services.board.make_channel(turn, to.name)
        name = MessageId(services.ids.new())
        said = Say(name, to, fact.type, fact.json or "null", fact.headers, None, fact.conversation, 0.0)
        turn.post(written(said, fact.sender, 0, letter))
    else:
        _on_board(services, dead.bot)
        turn.change(
            RecordDelivery(dead.bot, dead.message, "retrying", 0, services.clock.now(), redriven=True)
        )
    await services.journal.commit(turn)
    line = services.board.find(dead.bot)
    if line is not None and dead.message is not None:
        line.look(again=True)
    _log.info("bus.redriven", letter=letter, at=ref.index)


async def purge(services: Services, letter: Position, principal: PrincipalId) -> None:
    """Take a dead letter off the list."""
    dead = await _dead(services, letter)
    turn = services.journal.turn(principal=principal, cause=letter)
    turn.append(bot_stream(dead.bot), "bot", [DeadLetterPurged(dead.bot, letter)], expected=None)
    await services.journal.commit(turn)


async def _dead(services: Services, letter: Position) -> DeadLetter:
    dead = await services.store.dead_letter(letter)
    if dead is None:
        raise NotFound(f"There is no dead letter {letter}.")
    return dead


async def _story(services: Services, dead: DeadLetter) -> DeadLettered:
    """Return the fact of a dead letter whose message was never sent."""
    entry = await services.store.entry(dead.letter)
    if entry is None:
        raise NotFound(f"The dead letter {dead.letter} is no longer in the log.")
    return msgspec.json.decode(entry.data, type=DeadLettered)


def _on_board(services: Services, bot: str) -> None:
    if services.board.find(bot) is None:
        raise RecipientUnknown(f"{bot} is not on the board any more: nobody would handle it.", recipient=bot)
