"""What the door may ask of the house: a port, so that the door knows no actor, journal or store.

`app.py` hands in the real one; the door's tests hand in a small one that keeps its answers in memory. What a
method raises of `errors.py` becomes a problem document with that error's code; anything else becomes
`INTERNAL`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from callboard.ids import MessageId, Position, PrincipalId, Tenant
from callboard.web import inbox, runs, story, talk, templates, triggers, wire, workflows
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
        """Load the files of bots, actions and workflows again."""

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

    async def start(
        self, workflow: str, request: runs.StartRequest, *, principal: PrincipalId
    ) -> runs.Started:
        """Start a run; `NotFound` for a workflow that was not published."""

    async def page(self, query: runs.RunsQuery) -> runs.RunPage:
        """Return runs."""

    async def run(self, run: str, include: set[str]) -> runs.RunDetail:
        """Return a run, with these parts of its story; `NotFound` if there is none."""

    async def fork(self, run: str, request: story.ForkRequest, *, principal: PrincipalId) -> runs.Started:
        """Start a run that is done again from a step; `WrongState` if the other one has not come to it."""

    async def pause(self, run: str, principal: PrincipalId) -> runs.Standing:
        """Have nothing of a run start; `WrongState` if it is paused, or has ended."""

    async def resume(self, run: str, principal: PrincipalId) -> runs.Standing:
        """Let a run go on; `WrongState` if nobody has paused it."""

    async def delete(self, run: str, principal: PrincipalId) -> runs.Deleted:
        """Take a run away that has ended; `WrongState` if it goes on."""

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


class Story(Protocol):
    """Who tells the story of a run; each answers `NotFound` if there is none."""

    async def steps(self, run: str, query: story.StoryQuery) -> story.StepPage:
        """Return a page of attempts."""

    async def events(self, run: str, query: story.StoryQuery) -> story.EventPage:
        """Return a page of facts."""

    async def decisions(self, run: str, query: story.StoryQuery) -> story.DecisionPage:
        """Return a page of what was looked at."""

    async def run_links(self, run: str, query: story.StoryQuery) -> story.LinkPage:
        """Return what a run has to do with things that live elsewhere."""

    async def links(self, query: story.LinksQuery) -> story.LinkPage:
        """Return what runs have to do with things that live elsewhere."""

    async def tree(self, run: str) -> story.Tree:
        """Return the run with all that it started."""

    async def at(self, run: str, position: Position) -> story.RunThen:
        """Return how the run stood; `PositionUnknown` past the head, `NotFound` before it began."""


class Following(Protocol):
    """Who lets facts be followed; an empty page comes first, and whenever it was quiet for a while."""

    def run(self, run: str, after: str | None) -> AsyncGenerator[list[Event[runs.EventRow]], None]:
        """Yield the facts of a run up to its end; `NotFound` if there is none."""

    def log(self, after: str | None, tenant: Tenant) -> AsyncGenerator[list[Event[wire.LogRow]], None]:
        """Yield the facts of the log, without end."""


class Workflows(Protocol):
    """Who answers what concerns workflows: their versions, their drafts, and which of them run."""

    async def page(self, query: workflows.WorkflowsQuery) -> workflows.WorkflowList:
        """Return workflows."""

    async def workflow(self, name: str, version: int | None) -> workflows.WorkflowDetail:
        """Return a workflow in one version, or in the active one; `NotFound` if there is none."""

    async def versions(self, name: str, query: workflows.VersionsQuery) -> workflows.VersionList:
        """Return versions of a workflow."""

    async def version(self, name: str, version: int) -> workflows.VersionDetail:
        """Return one version; `NotFound` if there is none."""

    async def diff(self, name: str, query: workflows.DiffQuery) -> workflows.Diff:
        """Return what differs between two versions, or between one and the draft."""

    async def draft(self, name: str) -> workflows.Draft:
        """Return a draft with what is wrong with it; `NotFound` if there is none."""

    async def create(self, request: workflows.DraftRequest, principal: PrincipalId) -> workflows.Draft:
        """Make a workflow that is a draft; `AlreadyExists` if there is one of the name."""

    async def save(
        self, name: str, request: workflows.SaveRequest, principal: PrincipalId
    ) -> workflows.Draft:
        """Save a draft on top of the one that was read; `Conflict` if it is another one by now."""

    async def drop(self, name: str, revision: int | None, principal: PrincipalId) -> workflows.WorkflowState:
        """Throw a draft away; `NotFound` if there is none."""

    async def delete(self, name: str, principal: PrincipalId) -> workflows.WorkflowState:
        """Take a workflow away that was never published; `WrongState` if it was."""

    async def publish(self, request: workflows.PublishRequest, principal: PrincipalId) -> workflows.Published:
        """Publish a file; `WorkflowInvalid` with everything that is wrong with it."""

    async def publish_draft(
        self, name: str, request: workflows.PublishDraftRequest, principal: PrincipalId
    ) -> workflows.Published:
        """Publish a draft; `NotFound` if there is none, `Conflict` if it is another one by now."""

    async def archive(self, name: str, reason: str, principal: PrincipalId) -> workflows.WorkflowState:
        """Let no more runs of it start; `WrongState` if it is a draft, or archived."""

    async def reactivate(
        self, name: str, version: int | None, principal: PrincipalId
    ) -> workflows.WorkflowState:
        """Let runs of it start again; `WrongState` if it is not archived."""

    async def activate(self, name: str, version: int, principal: PrincipalId) -> workflows.WorkflowState:
        """Let runs get a version; `WrongState` if it is archived."""


class Templates(Protocol):
    """Who answers what concerns templates."""

    async def page(self, query: templates.TemplatesQuery) -> templates.TemplateList:
        """Return templates."""

    async def template(self, name: str, version: int | None) -> templates.TemplateDetail:
        """Return a template in one version, or in the active one; `NotFound` if there is none."""

    async def versions(
        self, name: str, query: templates.TemplateVersionsQuery
    ) -> templates.TemplateVersionList:
        """Return versions of a template."""

    async def validate(self, text: str) -> workflows.Validation:
        """Return everything that is wrong with a template file."""

    async def publish(self, text: str, principal: PrincipalId) -> templates.TemplatePublished:
        """Publish a file; `TemplateInvalid` with everything that is wrong with it."""

    async def render(self, name: str, request: templates.RenderRequest) -> templates.RenderedDocument:
        """Fill in a document; `TemplateAnswers` with everything that is wrong with the answers."""

    async def preview(self, request: templates.PreviewRequest) -> templates.RenderedDocument:
        """Fill in a document of a file that was not published."""

    async def instantiate(
        self, name: str, request: templates.InstantiateRequest, principal: PrincipalId
    ) -> workflows.Draft:
        """Make a workflow of a template, as a draft; `AlreadyExists` if there is one of the name."""


class Triggers(Protocol):
    """Who answers what concerns triggers, and takes what webhooks are sent."""

    async def all_triggers(self, workflow: str | None, *, sleeping: bool) -> triggers.TriggerList:
        """Return triggers, of one workflow or of all."""

    async def trigger(self, trigger: str, records: int) -> triggers.TriggerDetail:
        """Return a trigger with its newest records; `NotFound` if there is none."""

    async def fire(
        self, trigger: str, event: object, *, key: str | None, principal: PrincipalId
    ) -> triggers.Fired:
        """Have a trigger fire now; `RequestInvalid` if the workflow takes no such input."""

    async def switch(self, trigger: str, *, on: bool, principal: PrincipalId) -> triggers.Switched:
        """Turn a trigger on or off."""

    async def receive(self, path: str, headers: Mapping[str, str], body: bytes) -> triggers.Fired:
        """Fire a webhook; `NotFound` for a path that none has, `Unauthenticated` for who may not."""


class Desk(Protocol):
    """Who answers what comes through the door."""

    @property
    def inbox(self) -> Inboxes:
        """Who answers for bots outside and persons."""

    @property
    def following(self) -> Following:
        """Who lets facts be followed."""

    @property
    def story(self) -> Story:
        """Who tells the story of a run."""

    @property
    def runs(self) -> Runs:
        """Who answers what concerns runs."""

    @property
    def talk(self) -> Talk:
        """Who answers what concerns messages."""

    @property
    def triggers(self) -> Triggers:
        """Who answers what concerns triggers."""

    @property
    def templates(self) -> Templates:
        """Who answers what concerns templates."""

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
