"""The roster: who of `bots/` and of `[bots.*]` works, on which code, and what a reload changes of that.

    roster = Roster(company, Path("bots"), Path("config/callboard.toml"))
    await roster.engage()               # at the start: whoever is declared, and all that can be loaded
    await roster.reload()               # later: what changed is put in its place, and nothing else is touched

A bot whose code or settings changed is ended in good order and started anew; its cursor and its memory are in
the log, and what comes meanwhile waits there, so nothing is lost or done twice. One whose file has a fault
goes on with the code that it has. One whose file is gone is absent: it stays on the board, and its messages
wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import structlog

from callboard.actors.children import State
from callboard.authoring.bot import Bot, Shape
from callboard.authoring.loading import Fault, Found, Library, Loaded
from callboard.authoring.terms import NOTHING_SAID, Terms, terms_of
from callboard.botconfig import BotConfig, read_file
from callboard.company.company import Company
from callboard.company.guests import KINDS
from callboard.errors import BotInvalid, CallboardError, Conflict
from callboard.ids import SYSTEM, PrincipalId
from callboard.spelling import did_you_mean

_log = structlog.get_logger("callboard.bots")


class Post(msgspec.Struct, frozen=True):
    """What one bot is to work with, or works with."""

    cls: type[Bot]
    shape: Shape
    terms: Terms
    kind: str = "python"

    def same(self, other: Post) -> bool:
        """Whether nothing has to be done to get from one to the other."""
        return self.cls is other.cls and self.terms == other.terms


Maker = Callable[[str, BotConfig], tuple[type[Bot], Shape, Terms]]
"""Makes a bot of what the settings say of it."""


class Reloaded(msgspec.Struct, frozen=True):
    """What became of the bots, by name, and what is wrong."""

    started: list[str]
    replaced: list[str]
    stopped: list[str]
    kept: list[str]
    faults: list[Fault]


class Roster:
    """Which bots work on which code."""

    def __init__(
        self, company: Company, folder: Path, source: Path, workflow_bot: Maker | None = None
    ) -> None:
        self._company = company
        self._workflow_bot = workflow_bot
        self._source = source
        """The file that says of single bots what is stronger than their classes."""
        self._said: Mapping[str, BotConfig] = {}
        self.faults: list[Fault] = []
        """What could not be loaded, when the files were read last."""
        self._library = Library(folder)
        self._posts: dict[str, Post] = {}
        self._one_at_a_time = asyncio.Lock()

    async def engage(self) -> Reloaded:
        """Put on the board whom the settings declare, and start all bots that can be loaded."""
        done, _ = await self._renew(None)
        _log.info("bots.loaded", bots=done.started, faults=len(done.faults))
        for name, said in self._said.items():
            if said.kind in {None, "python"} and name not in self._posts:
                near = did_you_mean(name, self._posts)
                _log.warning(
                    "bots.settings_for_nobody", bot=name, reason=f"no bot of that name is loaded{near}"
                )
        return done

    async def _admit(self, name: str, said: BotConfig) -> list[Fault]:
        """Put one who reads its own inbox on the board; what the settings leave open stays as it is there."""
        bus, line, kind = self._company.bus, self._company.board.find(name), str(said.kind)
        if kind not in KINDS:
            return []
        description = said.description
        if description is None:
            description = line.description if line is not None else ""
        try:
            if said.subscribes is not None:
                heard = dict.fromkeys(said.subscribes, bool(said.hears_itself))
                await bus.declare(name, kind, description, heard)
            await bus.guests.declare(name, kind, description, None, principal=SYSTEM)
        except Conflict as error:
            return [Fault(str(self._source), None, f"bots.{name}: {error.message}")]
        return []

    @staticmethod
    def _report(fault: Fault) -> None:
        _log.error("bots.not_loaded", file=fault.file, line=fault.line, reason=fault.message)

    # ── reloading ────────────────────────────────────────────────────────────────────────────────────────

    async def reload(self, *, principal: PrincipalId = SYSTEM) -> Reloaded:
        """Bring the bots to what their files say now; it returns when that is so."""
        done, _ = await self._renew(None)
        _log.info("bots.reloaded", **_names(done), faults=len(done.faults))
        await self._record(done, principal)
        return done

    async def restart(self, name: str) -> None:
        """Start a bot again that is down, on what its file says now."""
        if self._state(name) not in {State.RUNNING, State.STOPPING}:
            done, unclear = await self._renew(name)
            if name in unclear:
                raise BotInvalid(f"{name} is not started again: {unclear[name]}", bot=name)
            if name in {*done.started, *done.replaced}:
                return
        await self._company.bus.restart(name)

    def _state(self, name: str) -> State | None:
        supervisor = self._company.bus.supervisor
        children = supervisor.status() if supervisor is not None else ()
        return next((child.state for child in children if child.name == name), None)

    async def _renew(self, only: str | None) -> tuple[Reloaded, dict[str, Fault]]:
        """Bring all bots, or only one, to what is wanted; return also of whom nobody can tell that."""
        async with self._one_at_a_time:
            self._said = await asyncio.to_thread(read_file, self._source)
            found = await asyncio.to_thread(
                self._library.read
            )  # nobody knows what files do as they are imported
            declared = [fault for name, said in self._said.items() for fault in await self._admit(name, said)]
            wanted, faults, unclear = self._wanted(found)
            faults += declared
            self.faults = faults
            done = Reloaded([], [], [], [], faults)
            all_names = sorted({*self._posts, *wanted}) if only is None else [only]
            outcomes = await asyncio.gather(
                *(self._bring(name, wanted.get(name), done, unclear=name in unclear) for name in all_names),
                return_exceptions=True,
            )
        for names in (done.started, done.replaced, done.stopped, done.kept):
            names.sort()
        for fault in faults:
            self._report(fault)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return done, unclear

    async def _bring(self, name: str, wanted: Post | None, done: Reloaded, *, unclear: bool) -> None:
        """See that one bot works as is wanted; each by itself, so that none waits for another to end."""
        post = self._posts.get(name)
        if post is not None and (unclear or (wanted is not None and wanted.same(post))):
            done.kept.append(name)
            return
        if post is not None:
            await self._company.dismiss(name)
            del self._posts[name]
        if wanted is not None:
            await self._company.engage(wanted.cls, wanted.shape, wanted.terms, kind=wanted.kind)
            self._posts[name] = wanted
            (done.started if post is None else done.replaced).append(name)
        elif post is not None:
            done.stopped.append(name)

    async def _record(self, done: Reloaded, principal: PrincipalId) -> None:
        """Put into the log what was done; that a full disk keeps it out undoes nothing."""
        turn = self._company.services.journal.turn(principal=principal)
        faults = [str(fault) for fault in done.faults]
        turn.act("bots.reload", "bots", {**_names(done), "faults": faults})
        try:
            await self._company.services.journal.commit(turn)
        except CallboardError as error:
            _log.warning("action.not_recorded", action="bots.reload", target="bots", reason=error.message)

    # ── who is wanted ────────────────────────────────────────────────────────────────────────────────────

    def _wanted(self, found: Found) -> tuple[dict[str, Post], list[Fault], dict[str, Fault]]:
        """Return who shall work with what, what is wrong, and of whom nobody can tell."""
        wanted: dict[str, Post] = {}
        faults, unclear = list(found.faults), dict(found.unclear)
        for one in found.bots:
            name = one.shape.name
            fault = self._taken(one)
            if fault is None:
                try:
                    terms = terms_of(one.cls, one.shape, self._said.get(name))
                    wanted[name] = Post(one.cls, one.shape, terms)
                    continue
                except BotInvalid as error:
                    fault = Fault(str(self._source), None, error.message)
            unclear[name] = fault
            faults.append(fault)
        for name, said in self._said.items():
            if said.kind in {"webhook", "workflow"}:
                try:
                    wanted[name] = self._made(name, said)
                    unclear.pop(name, None)
                except BotInvalid as error:
                    unclear[name] = Fault(str(self._source), None, error.message)
                    faults.append(unclear[name])
        return wanted, faults, unclear

    def _taken(self, one: Loaded) -> Fault | None:
        """Return what keeps a class from having its name, if something does."""
        name, line = one.shape.name, self._company.board.find(one.shape.name)
        said = self._said.get(name, NOTHING_SAID).kind
        if said not in {None, "python"}:
            text = f"{name} is a bot of kind {said} in {self._source}: one of the two needs another name"
            return Fault(str(one.file), None, text)
        if line is not None and line.kind in KINDS:
            text = (
                f"{name} is on the board as a bot of kind {line.kind}, which reads its own inbox: give the "
                f"class another name, or take that one away by `callboard bots remove {name}`"
            )
            return Fault(str(one.file), None, text)
        return None

    def _made(self, name: str, said: BotConfig) -> Post:
        """Return what a bot that has no code of its own shall work with."""
        line = self._company.board.find(name)
        if line is not None and line.kind in KINDS:
            raise BotInvalid(
                f"bots.{name} is on the board as a bot of kind {line.kind}: take that one away first, by "
                f"`callboard bots remove {name}`."
            )
        if said.kind == "workflow":
            if self._workflow_bot is None:
                raise BotInvalid(f"bots.{name}: there are no workflows here.")
            return Post(*self._workflow_bot(name, said), kind="workflow")
        # aiohttp takes as long to import as all the rest, and most houses have no webhook.
        from callboard.company import webhook  # noqa: PLC0415 - as above

        shape, terms = webhook.engagement(name, said, self._company.services.message_bytes)
        return Post(webhook.Webhook, shape, terms, kind="webhook")


def _names(done: Reloaded) -> dict[str, list[str]]:
    return {"started": done.started, "replaced": done.replaced, "stopped": done.stopped, "kept": done.kept}
