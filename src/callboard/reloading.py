"""Loading again what the files of a project say, while the house stands: bots, actions, workflows, templates.

    tools = Tools(Path("actions"), programs=False)      # also the catalogue by which all is checked and run
    reloading = Reloading(roster, tools, journal, folders)
    done = await reloading.reload(principal=principal)

It comes to what a start would come to, but that whatever has a fault goes on as it was: a bot and an action
on the code that they have, a workflow and a template in the version that there is. Settings that are wrong
stop it before it changes anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from callboard.actors.journal import Journal
from callboard.authoring.loading import Fault
from callboard.authoring.registering import Changes, Workshop
from callboard.company import roster as bots
from callboard.errors import CallboardError
from callboard.facts.publishing import Published
from callboard.ids import SYSTEM, PrincipalId
from callboard.planning.step import Catalogue
from callboard.publish.publisher import FromFile
from callboard.steps import here

_log = structlog.get_logger("callboard.reloading")


class Reloaded(bots.Reloaded, frozen=True, kw_only=True):
    """What became of the bots, and of all else; `faults` are those of every file."""

    actions: Changes
    workflows: list[Published] | None
    """Those that became another version; nothing where files are not published by themselves."""
    templates: list[Published] | None


class Folders(msgspec.Struct, frozen=True):
    """What publishes the folders of files, each with the name of who wants it."""

    templates: Callable[[PrincipalId], Awaitable[list[FromFile]]]
    workflows: Callable[[PrincipalId], Awaitable[list[FromFile]]]


class Tools:
    """The actions of the project; to call it is to get the catalogue that has them."""

    def __init__(self, workshop: Workshop, *, programs: bool) -> None:
        self._workshop = workshop
        self._programs = programs
        self._catalogue = here(programs=programs)

    def __call__(self) -> Catalogue:
        """Return the kinds of steps and the actions that run here now."""
        return self._catalogue

    @property
    def faults(self) -> list[Fault]:
        """Return what is wrong with files of actions."""
        return self._workshop.faults

    async def renew(self) -> Changes:
        """Load what the files say now; who asks for the catalogue from here on is given that."""
        done = await asyncio.to_thread(self._workshop.read)  # nobody knows what files do as they are imported
        self._catalogue = here(self._workshop.actions, programs=self._programs)
        for fault in self.faults:
            _log.error("actions.not_loaded", file=fault.file, line=fault.line, reason=fault.message)
        return done


class Reloading:
    """Brings the house to what the files of the project say."""

    def __init__(
        self, roster: bots.Roster, tools: Tools, journal: Journal, folders: Folders | None = None
    ) -> None:
        self._roster = roster
        self.tools = tools
        self._journal = journal
        self._folders = folders
        """Nothing: files are not published by themselves."""
        self.unpublished: list[Fault] | None = None
        """What kept files from being published, when they were last looked at; nothing: they never were."""
        self._one_at_a_time = asyncio.Lock()

    async def publish(self, principal: PrincipalId = SYSTEM) -> tuple[list[FromFile], list[FromFile]] | None:
        """Publish what changed in the folders, templates first; return what came of each of their files."""
        if self._folders is None:
            return None
        files = await self._folders.templates(principal), await self._folders.workflows(principal)
        self.unpublished = [fault for one in (*files[0], *files[1]) for fault in _faults(one)]
        return files

    async def reload(self, *, principal: PrincipalId = SYSTEM) -> Reloaded:
        """Load all files again; it returns when what they say holds."""
        async with self._one_at_a_time:
            done = await self._roster.reload(principal=principal)
            actions = await self.tools.renew()
            _log.info("actions.reloaded", **msgspec.structs.asdict(actions), faults=len(self.tools.faults))
            await self._record(actions, principal)
            files = await self.publish(principal)
        faults = [*done.faults, *self.tools.faults]
        templates = workflows = None
        if files is not None:
            faults += self.unpublished or []
            templates, workflows = _changed(files[0]), _changed(files[1])
        return Reloaded(
            started=done.started,
            replaced=done.replaced,
            stopped=done.stopped,
            kept=done.kept,
            faults=faults,
            actions=actions,
            workflows=workflows,
            templates=templates,
        )

    async def _record(self, done: Changes, principal: PrincipalId) -> None:
        """Put into the log which code changed; that a full disk keeps it out undoes nothing."""
        faults = [str(fault) for fault in self.tools.faults]
        if not (done.added or done.replaced or done.gone or faults):
            return
        turn = self._journal.turn(principal=principal)
        turn.act("actions.reload", "actions", {**msgspec.structs.asdict(done), "faults": faults})
        try:
            await self._journal.commit(turn)
        except CallboardError as error:
            _log.warning(
                "action.not_recorded", action="actions.reload", target="actions", reason=error.message
            )


def _changed(files: list[FromFile]) -> list[Published]:
    found = [one.published for one in files if one.published is not None]
    return [one for one in found if one.created or one.activated]


def _faults(one: FromFile) -> list[Fault]:
    return [
        Fault(one.file, fault.line, f"{fault.message} [{fault.code}]")
        for fault in one.faults
        if fault.severity == "error"
    ]
