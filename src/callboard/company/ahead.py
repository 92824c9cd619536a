"""What goes ahead of a question: the commit of all that its bot did before, whatever becomes of who asks.

Handlers that never wait share a commit. One that asks has to wait, and the others must not wait with it, so
their sitting is committed first. Other messages are in it: the commit goes on if the handler is cut off
meanwhile, and what was wrong with it is raised also if the handler would not hear of it. To forget it would
leave messages unhandled that the bot remembers to have handled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Ahead:
    """The commit before the questions of a handler: one for all of them, since it holds what came before."""

    def __init__(self, flush: Callable[[], Awaitable[None]]) -> None:
        self._flush = flush
        self._going: asyncio.Future[None] | None = None

    async def go(self) -> None:
        """Return when all that was done before the handler is on disk."""
        if self._going is None:
            self._going = asyncio.ensure_future(self._flush())
            self._going.add_done_callback(_heard)
        await asyncio.shield(self._going)

    async def gone(self) -> None:
        """Wait for the commit, now that the handler is over, and raise what was wrong with it."""
        going, self._going = self._going, None
        if going is not None:
            await going


def _heard(going: asyncio.Future[None]) -> None:
    if not going.cancelled():
        going.exception()  # if the bot itself was cut off, nobody is left who would ask
