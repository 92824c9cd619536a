"""What the door may ask of the house: a port, so that the door knows no actor, journal or store.

`app.py` hands in the real one; the door's tests hand in a small one that keeps its answers in memory. What a
method raises of `errors.py` becomes a problem document with that error's code; anything else becomes
`INTERNAL`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from callboard.ids import MessageId, Position, PrincipalId, Tenant
from callboard.web import inbox, runs, talk, wire, workflows
from callboard.web.api.event import Event


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

    async def reload(self, principal: PrincipalId) -> talk.Reloaded:
        """Load the files of bots again."""

    async def dead_letters(self, bot: str | None, after: str | None, limit: int) -> talk.DeadLetters:
        """Return dead letters that were not redriven, of one bot or of all."""

    async def dead_letter(self, letter: Position) -> talk.DeadLetterDetail:
        """Return one dead letter; `NotFound` if there is none."""

    async def redrive(self, letter: Position, principal: PrincipalId) -> talk.Done:
        """Have a dead letter tried again."""

    async def purge(self, letter: Position, principal: PrincipalId) -> talk.Done:
        """Take a dead letter off the list."""


class Inboxes(Protocol):
    """Who answers for bots outside and persons: what waits for them, and what they say."""

    async def declare(self, request: inbox.DeclareRequest, principal: PrincipalId) -> None:
        """Put one on the board; `Conflict` if another kind of bot has the name."""

    async def remove(self, bot: str, principal: PrincipalId) -> inbox.RemovedAnswer:
        """Take a bot of any kind off the board; `Conflict` if its code is loaded."""

    async def send(
        self, bot: str, request: talk.SendRequest, *, key: str | None, principal: PrincipalId
    ) -> talk.Accepted:
        """Send, publish or ask as this bot; `Conflict` if it speaks for itself."""

    async def read(self, bot: str, query: inbox.InboxQuery) -> inbox.InboxPage:
        """Return what waits, or wait for it; `ReaderConflict` if another one reads."""

    def stream(
        self, bot: str, query: inbox.StreamQuery, after: str | None
    ) -> AsyncGenerator[list[Event[inbox.InboxRow]], None]:
        """Yield what waits and what comes; an empty page first, and whenever it was quiet for a while."""

    async def acknowledge(self, bot: str, request: inbox.AckRequest) -> inbox.AckAnswer:
        """Settle what was read; `NotServed` if it was not."""


class Runs(Protocol):
    """Who answers what concerns runs, signals and approvals."""

    async def publish(self, text: str, principal: PrincipalId) -> runs.Published:
        """Publish a workflow file; `WorkflowInvalid` with everything that is wrong with it."""

    async def start(
        self, workflow: str, request: runs.StartRequest, *, principal: PrincipalId
    ) -> runs.Started:
        """Start a run; `NotFound` for a workflow that was not published."""

    async def page(self, query: runs.RunsQuery) -> runs.RunPage:
        """Return runs."""

    async def run(self, run: str, include: set[str]) -> runs.RunDetail:
        """Return a run, with these parts of its story; `NotFound` if there is none."""

    async def pause(self, run: str, principal: PrincipalId) -> runs.Standing:
        """Have nothing of a run start; `WrongState` if it is paused, or has ended."""

    async def resume(self, run: str, principal: PrincipalId) -> runs.Standing:
        """Let a run go on; `WrongState` if nobody has paused it."""

    async def cancel(self, run: str, reason: str, principal: PrincipalId) -> runs.Standing:
        """End a run; `WrongState` if it has ended."""

    async def retry(self, run: str, principal: PrincipalId) -> runs.Standing:
        """Try a failed run again; `WrongState` if it has not failed, or could not go better."""

    async def release(self, run: str, request: runs.ReleaseRequest, principal: PrincipalId) -> runs.Standing:
        """Have a step that is held tried again, or fail; `WrongState` if it is not held."""

    async def signal(self, run: str, request: runs.SignalRequest, principal: PrincipalId) -> runs.Standing:
        """Give a run a signal; `WrongState` if it has ended."""

    async def approvals(self, after: str | None, limit: int) -> runs.ApprovalPage:
        """Return what waits for decisions."""

    async def approval(self, approval: str) -> runs.ApprovalRow:
        """Return one thing that waits for a decision; `NotFound` if there is none, or no longer."""

    async def decide(
        self, approval: str, request: runs.DecisionRequest, principal: PrincipalId
    ) -> runs.Standing:
        """Approve or reject; `Conflict` if it was decided already, `Denied` for who may not."""


class Workflows(Protocol):
    """Who answers what concerns workflows that were published."""

    async def all_workflows(self) -> workflows.WorkflowList:
        """Return all workflows."""

    async def workflow(self, name: str, version: int | None) -> workflows.WorkflowDetail:
        """Return a workflow in one version, or in the active one; `NotFound` if there is none."""


class Desk(Protocol):
    """Who answers what comes through the door."""

    @property
    def inbox(self) -> Inboxes:
        """Who answers for bots outside and persons."""

    @property
    def runs(self) -> Runs:
        """Who answers what concerns runs."""

    @property
    def talk(self) -> Talk:
        """Who answers what concerns messages."""

    @property
    def workflows(self) -> Workflows:
        """Who answers what concerns workflows."""

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
