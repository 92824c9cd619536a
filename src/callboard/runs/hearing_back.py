"""Hearing back: telling runs that something they have asked was answered, or given up.

    hearing = HearingBack(services, runs.answered)
    hearing.begin()

The reply has resolved the question's row in its own turn already (`questioned.py`); here its run is told to
look. So nothing hangs on this but time: what is not told is found when the run is taken up, or its deadline
comes. Whose question it was stands in its row: what a reply says of itself is up to whoever sent it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from callboard.company.asking import Services
from callboard.errors import StoreUnavailable
from callboard.facts.mishaps import DeadLettered
from callboard.ids import MessageId, WaitId
from callboard.messages import WORKFLOW, Message
from callboard.retry import Backoff

_OWNER = "run:"


class HearingBack:
    """Hears what is replied to runs."""

    def __init__(self, services: Services, answered: Callable[[str], object]) -> None:
        self._services = services
        self._answered = answered
        self._questions: deque[MessageId] = deque()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Hear from now on."""
        self._services.board.witnesses.append(self._said)
        self._services.board.mourners.append(self._buried)

    def close(self) -> None:
        """Hear nothing more."""
        board = self._services.board
        with contextlib.suppress(ValueError):
            board.witnesses.remove(self._said)
            board.mourners.remove(self._buried)
        if self._task is not None:
            self._task.cancel()

    def _said(self, message: Message) -> None:
        if message.reply_to is not None and message.to.name.startswith(WORKFLOW):
            self._look_for(message.reply_to)

    def _buried(self, letter: DeadLettered) -> None:
        if letter.message is not None and letter.sender.startswith(WORKFLOW):
            self._look_for(letter.message_id)
        elif letter.to.name.startswith(WORKFLOW) and (letter.conversation or "").startswith(_OWNER):
            self._answered(str(letter.conversation).removeprefix(_OWNER))  # a reply that could not be sent

    def _look_for(self, question: MessageId) -> None:
        self._questions.append(question)
        if self._task is None:
            self._task = asyncio.create_task(self._find_all(), name="runs: hearing back")

    async def _find_all(self) -> None:
        pause = Backoff(first=0.2, factor=2.0, longest=10.0)
        try:
            while self._questions:
                try:
                    wait = await self._services.store.wait(WaitId(self._questions[0]))
                except StoreUnavailable:
                    await self._services.clock.sleep(pause.next())
                    continue
                self._questions.popleft()
                if wait is not None and wait.answer is not None and wait.owner.startswith(_OWNER):
                    self._answered(wait.owner.removeprefix(_OWNER))
        finally:
            self._task = None
