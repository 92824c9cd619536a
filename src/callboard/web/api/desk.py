"""What the door may ask of the house: a port, so that the door knows no actor, journal or store.

`app.py` hands in the real one; the door's tests hand in a small one that keeps its answers in memory. What a
method raises of `errors.py` becomes a problem document with that error's code; anything else becomes
`INTERNAL`.
"""

from __future__ import annotations

from typing import Protocol

from callboard.ids import MessageId, Position, PrincipalId, Tenant
from callboard.web import talk, wire


class Talk(Protocol):
    """Who answers what concerns messages, channels, bots and dead letters."""

    async def send(
        self, request: talk.SendRequest, *, key: str | None, principal: PrincipalId
    ) -> talk.Accepted:
        """Send or publish, or ask and wait for the answer; the request's names have been checked."""

    async def message(self, message: MessageId) -> talk.MessageRow:
        """Return one message with what became of it; `NotFound` if there is none."""

    async def audit(
        self,
        query: talk.AuditQuery,
        *,
        pair: tuple[str, str] | None = None,
        channel: str | None = None,
        conversation: str | None = None,
    ) -> talk.AuditPage:
        """Return messages with what became of them; `NotFound` for a name that nobody has or had."""

    async def causes(self, position: Position) -> talk.Chain:
        """Return the fact at a position and what led to it; `NotFound` if there is none."""

    async def effects(self, position: Position, after: str | None, limit: int) -> talk.Effects:
        """Return what the fact at a position led to; `NotFound` if there is none."""

    async def channels(self) -> talk.ChannelList:
        """Return all channels."""

    async def channel(self, name: str) -> talk.ChannelAnswer:
        """Return one channel; `NotFound` if there is none."""

    async def create_channel(self, name: str, principal: PrincipalId) -> talk.ChannelMade:
        """See that there is a channel."""

    async def delete_channel(self, name: str, *, force: bool, principal: PrincipalId) -> talk.Done:
        """Take a channel away; `ChannelInUse` if somebody listens and it is not forced."""

    async def subscribe(
        self, bot: str, pattern: str, request: talk.SubscribeRequest, principal: PrincipalId
    ) -> talk.Done:
        """Have a bot listen."""

    async def unsubscribe(self, bot: str, pattern: str, principal: PrincipalId) -> talk.Done:
        """Have a bot listen no longer; `NotFound` if it does not."""

    async def bots(self) -> talk.BotList:
        """Return all bots."""

    async def bot(self, name: str) -> talk.BotDetail:
        """Return one bot; `NotFound` if there is none."""

    async def restart(self, name: str) -> talk.BotDetail:
        """Let a bot that was set aside work again."""

    async def dead_letters(self, bot: str | None, after: str | None, limit: int) -> talk.DeadLetters:
        """Return dead letters that were not redriven, of one bot or of all."""

    async def dead_letter(self, letter: Position) -> talk.DeadLetterDetail:
        """Return one dead letter; `NotFound` if there is none."""

    async def redrive(self, letter: Position, principal: PrincipalId) -> talk.Done:
        """Have a dead letter tried again."""

    async def purge(self, letter: Position, principal: PrincipalId) -> talk.Done:
        """Take a dead letter off the list."""


class Desk(Protocol):
    """Who answers what comes through the door."""

    @property
    def talk(self) -> Talk:
        """Who answers what concerns messages."""

    def health(self) -> wire.Health:
        """Say how the server is; at once, and without touching the database."""

    async def doctor(self, *, full: bool) -> wire.DoctorReport:
        """Look whether everything is as it must be."""

    async def backup(self, path: str, principal: PrincipalId) -> wire.BackupMade:
        """Write and check a copy of the database at an absolute path."""

    async def prune(self, *, dry_run: bool, principal: PrincipalId) -> wire.Pruned:
        """Take away what retention no longer keeps."""

    async def log_page(self, after: str | None, limit: int, tenant: Tenant) -> wire.LogPage:
        """Return facts behind a cursor; `PositionUnknown` for a cursor of another log or past the head."""
