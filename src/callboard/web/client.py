"""How the command line, and any Python program, talks to a running Callboard.

    with Client.find(DataFolder(Path("data"))) as client:
        print(client.health().status)

The server is found by its data folder: the lock says where it listens, the key file opens its door. What the
server refuses comes back as the same error class that was raised there, so callers on both sides of the door
handle one tree of errors. It stands on the standard library alone and keeps one connection alive: a command
that asks one question should take no longer than the question.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Self

from callboard.errors import ServerUnreachable
from callboard.folder import DataFolder
from callboard.units import seconds as duration
from callboard.web import inbox, runs, talk, wire
from callboard.web.line import SOON, Line
from callboard.web.story_client import StoryClient
from callboard.web.targets import given as _given
from callboard.web.targets import part as _part
from callboard.web.templates_client import TemplatesClient
from callboard.web.triggers_client import TriggersClient
from callboard.web.workflows_client import WorkflowsClient

AT_ONCE = 5.0
"""Seconds to wait for what costs the server nothing: one that is silent for longer is not well."""

LONG = 3600.0
"""Seconds to wait for work that grows with the database: a backup, a full check, pruning."""


class Client:
    """One caller at one door. Not for use by several threads at once."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self._line = Line(url, key)
        self._call = self._line.call
        self.open_stream = self._line.open_stream

    @property
    def url(self) -> str:
        """Return where the door is."""
        return self._line.url

    @classmethod
    def find(cls, folder: DataFolder) -> Self:
        """Return a client of the server that owns a data folder, or raise `ServerUnreachable`."""
        holder = folder.holder()
        if holder is None:
            raise ServerUnreachable(
                f"No Callboard is running on {folder.path}: start one with `callboard up`.",
                folder=str(folder.path),
            )
        if holder.url is None:
            raise ServerUnreachable(
                f"The data folder {folder.path} is in use by {holder}, which has not opened its door: "
                f"it is starting, closing, or another command at work. Try again in a moment.",
                folder=str(folder.path),
            )
        return cls(holder.url, folder.key())

    # ── what can be asked ────────────────────────────────────────────────────────────────────────────────

    def health(self) -> wire.Health:
        """Say how the server is."""
        return self._call("GET", "/health", wire.Health, timeout=AT_ONCE)

    def doctor(self, *, full: bool = False) -> wire.DoctorReport:
        """Have the server look whether everything is as it must be."""
        self.health()  # a server that answers nothing is known soon, and not after the time of a long check
        return self._call(
            "GET", "/doctor", wire.DoctorReport, query={"full": str(full).lower()}, timeout=LONG
        )

    def backup(self, path: str) -> wire.BackupMade:
        """Have the server write a checked copy of its database to an absolute path."""
        return self._call(
            "POST", "/backups", wire.BackupMade, body=wire.BackupRequest(path=path), timeout=LONG
        )

    def prune(self, *, dry_run: bool = False) -> wire.Pruned:
        """Have the server take away what retention no longer keeps."""
        body = wire.PruneRequest(dry_run=dry_run)
        return self._call("POST", "/retention/prune", wire.Pruned, body=body, timeout=LONG)

    def log(self, after: str | None = None, limit: int = 100) -> wire.LogPage:
        """Return a page of the log, from a cursor on."""
        query = {"limit": str(limit)} if after is None else {"after": after, "limit": str(limit)}
        return self._call("GET", "/log", wire.LogPage, query=query)

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────────

    def send(
        self,
        request: talk.SendRequest,
        *,
        key: str | None = None,
        seconds: float = 0.0,
        sender: str | None = None,
    ) -> talk.Accepted:
        """Send, publish or ask; `seconds` is how long an answer may take that is asked for.

        `sender` is a bot outside, or a person, under whose name it is said.
        """
        path = "/messages" if sender is None else f"/bots/{_part(sender)}/messages"
        return self._call("POST", path, talk.Accepted, body=request, timeout=SOON + seconds, idempotency=key)

    def message(self, message: str) -> talk.MessageRow:
        """Return one message, with what became of it."""
        return self._call("GET", f"/messages/{_part(message)}", talk.MessageRow)

    def audit(self, path: str, query: dict[str, str]) -> talk.AuditPage:
        """Return a page of messages: of a conversation, a pair or a channel, as the path says."""
        return self._call("GET", path, talk.AuditPage, query=query)

    def between(self, one: str, other: str, query: dict[str, str]) -> talk.AuditPage:
        """Return a page of what two said to each other."""
        return self.audit(f"/conversations/{_part(one)}/{_part(other)}", query)

    def on_channel(self, channel: str, query: dict[str, str]) -> talk.AuditPage:
        """Return a page of what was said on a channel."""
        return self.audit(f"/channels/{_part(channel)}/messages", query)

    def causes(self, position: int) -> talk.Chain:
        """Return a fact, its cause, the cause of that, and so on."""
        return self._call("GET", f"/log/{position}/causes", talk.Chain)

    def effects(self, position: int, after: str | None = None, limit: int = 100) -> talk.Effects:
        """Return a page of all that a fact led to."""
        query = _given(after=after, limit=limit)
        return self._call("GET", f"/log/{position}/effects", talk.Effects, query=query)

    # ── workflows and runs ───────────────────────────────────────────────────────────────────────────────

    @property
    def workflows(self) -> WorkflowsClient:
        """What can be asked of workflows, their versions and their drafts."""
        return WorkflowsClient(self._call)

    @property
    def templates(self) -> TemplatesClient:
        """What can be asked of templates."""
        return TemplatesClient(self._call)

    def start_run(self, workflow: str, request: runs.StartRequest) -> runs.Started:
        """Start a run."""
        return self._call("POST", f"/workflows/{_part(workflow)}/runs", runs.Started, body=request)

    def list_runs(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> runs.RunPage:
        """Return a page of runs, the newest first."""
        query = _given(workflow=workflow, status=status, after=after, limit=limit)
        return self._call("GET", "/runs", runs.RunPage, query=query)

    def read_run(self, run: str, *, include: Iterable[str] = ()) -> runs.RunDetail:
        """Return a run, and these parts of its story."""
        query = {"include": ",".join(include)}
        return self._call("GET", f"/runs/{_part(run)}", runs.RunDetail, query=query)

    @property
    def story(self) -> StoryClient:
        """What can be asked of the story of one run."""
        return StoryClient(self._call)

    @property
    def triggers(self) -> TriggersClient:
        """What can be asked of triggers."""
        return TriggersClient(self._call)

    def control_run(self, run: str, verb: Literal["pause", "resume", "retry"]) -> runs.Standing:
        """Have a run pause, go on, or be tried again."""
        return self._call("POST", f"/runs/{_part(run)}/{verb}", runs.Standing, body=runs.NothingMore())

    def cancel_run(self, run: str, reason: str = "") -> runs.Standing:
        """End a run."""
        body = runs.CancelRequest(reason=reason)
        return self._call("POST", f"/runs/{_part(run)}/cancel", runs.Standing, body=body)

    def delete_run(self, run: str) -> runs.Deleted:
        """Take a run away that has ended."""
        return self._call("DELETE", f"/runs/{_part(run)}", runs.Deleted)

    def release_step(self, run: str, step: str, how: Literal["retry", "fail"]) -> runs.Standing:
        """Have a step that is held tried again, or fail."""
        body = runs.ReleaseRequest(step=step, how=how)
        return self._call("POST", f"/runs/{_part(run)}/release", runs.Standing, body=body)

    def signal_run(self, run: str, name: str, body: object = None) -> runs.Standing:
        """Give a run a signal."""
        request = runs.SignalRequest(name=name, body=body)
        return self._call("POST", f"/runs/{_part(run)}/signal", runs.Standing, body=request)

    def approvals(self, *, after: str | None = None, limit: int = 100) -> runs.ApprovalPage:
        """Return a page of what waits for decisions."""
        query = _given(after=after, limit=limit)
        return self._call("GET", "/approvals", runs.ApprovalPage, query=query)

    def decide(
        self, approval: str, decision: Literal["approve", "reject"], by: str | None = None, comment: str = ""
    ) -> runs.Standing:
        """Approve or reject."""
        body = runs.DecisionRequest(decision=decision, by=by, comment=comment)
        return self._call("POST", f"/approvals/{_part(approval)}", runs.Standing, body=body)

    # ── the board ────────────────────────────────────────────────────────────────────────────────────────

    def channels(self) -> talk.ChannelList:
        """Return all channels."""
        return self._call("GET", "/channels", talk.ChannelList)

    def channel(self, name: str) -> talk.ChannelAnswer:
        """Return one channel."""
        return self._call("GET", f"/channels/{_part(name)}", talk.ChannelAnswer)

    def create_channel(self, name: str) -> talk.ChannelMade:
        """See that there is a channel."""
        return self._call("POST", "/channels", talk.ChannelMade, body=talk.ChannelRequest(name=name))

    def delete_channel(self, name: str, *, force: bool = False) -> talk.Done:
        """Take a channel away."""
        query = {"force": str(force).lower()}
        return self._call("DELETE", f"/channels/{_part(name)}", talk.Done, query=query)

    def subscribe(self, bot: str, pattern: str, *, since: int | None = None, own: bool = False) -> talk.Done:
        """Have a bot listen."""
        body = talk.SubscribeRequest(since=since, own=own)
        return self._call("PUT", _subscriber(pattern, bot), talk.Done, body=body)

    def unsubscribe(self, bot: str, pattern: str) -> talk.Done:
        """Have a bot listen no longer."""
        return self._call("DELETE", _subscriber(pattern, bot), talk.Done)

    def bots(self) -> talk.BotList:
        """Return all bots."""
        return self._call("GET", "/bots", talk.BotList)

    def bot(self, name: str) -> talk.BotDetail:
        """Return one bot."""
        return self._call("GET", f"/bots/{_part(name)}", talk.BotDetail)

    def restart(self, name: str) -> talk.BotDetail:
        """Let a bot that was set aside work again."""
        return self._call("POST", f"/bots/{_part(name)}/restart", talk.BotDetail)

    def reload(self) -> talk.Reloaded:
        """Load the files of bots again."""
        return self._call("POST", "/bots/reload", talk.Reloaded, timeout=LONG)

    def declare(self, request: inbox.DeclareRequest) -> talk.BotDetail:
        """See that there is a bot outside, or a person."""
        return self._call("POST", "/bots", talk.BotDetail, body=request)

    def remove(self, name: str) -> inbox.RemovedAnswer:
        """Take a bot off the board."""
        return self._call("DELETE", f"/bots/{_part(name)}", inbox.RemovedAnswer, timeout=LONG)

    # ── inboxes ──────────────────────────────────────────────────────────────────────────────────────────

    def read_inbox(
        self,
        bot: str,
        *,
        limit: int = 100,
        wait: str = "0s",
        reader: str | None = None,
        take_over: bool = False,
        after: str | None = None,
    ) -> inbox.InboxPage:
        """Return what waits for a bot outside, or a person, or wait for it; it acknowledges nothing."""
        query = _given(limit=limit, wait=wait, reader=reader, after=after)
        query["take_over"] = str(take_over).lower()
        path, timeout = f"/bots/{_part(bot)}/inbox", SOON + duration(wait)
        return self._call("GET", path, inbox.InboxPage, query=query, timeout=timeout)

    def acknowledge(self, bot: str, request: inbox.AckRequest) -> inbox.AckAnswer:
        """Settle what was read."""
        return self._call("POST", f"/bots/{_part(bot)}/ack", inbox.AckAnswer, body=request, timeout=2 * SOON)

    # ── dead letters ─────────────────────────────────────────────────────────────────────────────────────

    def dead_letters(
        self, bot: str | None = None, after: str | None = None, limit: int = 100
    ) -> talk.DeadLetters:
        """Return a page of dead letters."""
        query = _given(bot=bot, after=after, limit=limit)
        return self._call("GET", "/dead-letters", talk.DeadLetters, query=query)

    def dead_letter(self, letter: int) -> talk.DeadLetterDetail:
        """Return one dead letter."""
        return self._call("GET", f"/dead-letters/{letter}", talk.DeadLetterDetail)

    def redrive(self, letter: int) -> talk.Done:
        """Have a dead letter tried again."""
        return self._call("POST", f"/dead-letters/{letter}/redrive", talk.Done)

    def purge(self, letter: int) -> talk.Done:
        """Take a dead letter off the list."""
        return self._call("DELETE", f"/dead-letters/{letter}", talk.Done)

    def close(self) -> None:
        """End the connection; the next call opens another."""
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _subscriber(pattern: str, bot: str) -> str:
    return f"/channels/{_part(pattern)}/subscribers/{_part(bot)}"
