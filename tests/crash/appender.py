"""A process that appends as fast as it can and says what was acknowledged, until it is killed.

Run as `python appender.py FOLDER`. Each of its callers hands in turns of several rows: an event of its own
stream, a message with the same words, a cursor at the message. When the receipt is there, one line goes to
standard output: `caller version position`. A line that was written is a promise that was given.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from callboard.actors.journal import Journal, JournalActor
from callboard.clock import SystemClock
from callboard.errors import StreamNotFound
from callboard.facts import fact
from callboard.ids import BotName, StreamId, Version
from callboard.messages import To
from callboard.store.changes import MoveCursor
from callboard.stores.sqlite import SqliteStore

CALLERS = 20


@fact("crash_test_noted")
class Noted(msgspec.Struct, frozen=True):
    words: str


def stream_of(caller: int) -> StreamId:
    return StreamId(f"story:{caller}")


async def append_for_ever(store: SqliteStore, journal: Journal, caller: int) -> None:
    stream, bot = stream_of(caller), BotName(f"bot-{caller}")
    try:
        version = (await store.stream(stream)).version
    except StreamNotFound:
        version = Version(0)
    while True:
        words = f"{caller}/{version + 1}"
        turn = journal.turn()
        (noted,) = turn.append(stream, "story", [Noted(words)], expected=version)
        said, _ = turn.send(sender=bot, to=To("bot", bot), type="note", body=words, cause=noted)
        turn.change(MoveCursor(bot, said))
        receipt = await journal.commit(turn)
        version = Version(version + 1)
        os.write(1, f"{caller} {version} {receipt.first}\n".encode())


async def main(folder: Path) -> None:
    store = SqliteStore(folder / "callboard.db")
    await store.open()
    journal = Journal(JournalActor(store).launch(), clock=SystemClock())
    await asyncio.gather(*(append_for_ever(store, journal, caller) for caller in range(CALLERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
