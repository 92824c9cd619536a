"""A process that appends for a while on a disk that fails, and says what it was told.

Run as `python reporter.py FOLDER RUN ROUNDS`. Each line goes to standard output as it becomes true:

    pid NUMBER                  before anything else
    yes WORDS POSITION          the turn with these words is on disk
    no WORDS CODE               it was refused
    unread WORDS CODE           it is on disk, but could not be read back now
    wrong WORDS VERSION         it was read back, and something else stood there
    done                        all callers have made their rounds; it sleeps until it is killed
    failed CODE                 it could not start, or could not go on, and ends

A turn is an event of the caller's stream, a message with the same words that the event caused, and a cursor.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import structlog

from callboard.actors.journal import Journal, JournalActor
from callboard.clock import SystemClock
from callboard.errors import CallboardError
from callboard.facts import fact
from callboard.ids import BotName, StreamId, Version
from callboard.messages import To
from callboard.store.changes import MoveCursor
from callboard.stores.sqlite import SqliteStore

CALLERS = 4


@fact("system_fault_noted")
class Noted(msgspec.Struct, frozen=True):
    words: str


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def append(store: SqliteStore, journal: Journal, run: str, caller: int, rounds: int) -> None:
    version, stream = Version(0), StreamId(f"story:{run}:{caller}")
    bot = BotName(f"{run}-{caller}")
    for number in range(rounds):
        words = f"{run}/{caller}/{number}"
        turn = journal.turn()
        (noted,) = turn.append(stream, "story", [Noted(words)], expected=version)
        said, _ = turn.send(sender=bot, to=To("bot", bot), type="note", body=words, cause=noted)
        turn.change(MoveCursor(bot, said))
        try:
            receipt = await journal.commit(turn)
        except CallboardError as error:
            say("no", words, error.code)
            await asyncio.sleep(0.02)
            continue
        version = Version(version + 1)
        say("yes", words, receipt.first)
        try:
            seen = (await store.stream(stream)).version
        except CallboardError as error:
            say("unread", words, error.code)
        else:
            if seen != version:
                say("wrong", words, seen)


async def main(folder: Path, run: str, rounds: int) -> None:
    store = SqliteStore(folder / "callboard.db")
    try:
        await store.open()
    except CallboardError as error:
        say("failed", error.code)
        return
    journal = Journal(JournalActor(store).launch(), clock=SystemClock())
    await asyncio.gather(*(append(store, journal, run, caller, rounds) for caller in range(CALLERS)))
    say("done")
    await asyncio.Event().wait()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    say("pid", os.getpid())
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
