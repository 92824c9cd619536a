"""The publisher: from files to versions in the log, and from versions to plans.

    publisher = Publisher(store, journal, catalogue)
    published, warnings = await publisher.publish(text)    # which version it is, and whether it is new
    await publisher.publish_folder(Path("config/workflows"))
    plan = await publisher.plan("claims-triage", 3)        # for runs: compiled once, then from memory

Checking is strict and takes place once, at the door. A version that is in the log was good when it was
published, so its plan is compiled without another check: runs of it go on whatever later versions of
Callboard find fault with. Only a kind of step that is gone cannot be made up for, and is told by name.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from callboard.actors.journal import Journal
from callboard.checking import Known, accept, calls
from callboard.checking.together import SUFFIXES, check_together
from callboard.errors import CallboardError, ConcurrencyConflict, KindUnavailable, NotFound, StreamNotFound
from callboard.ids import DEFAULT_TENANT, SYSTEM, PrincipalId, Tenant, Version
from callboard.plan import Plan, compile_plan
from callboard.publishing import KIND, Published, Standing, publish, workflow_stream
from callboard.step import Catalogue
from callboard.store import Store
from callboard.workflow import Definition, Fault, Notes, checksum, define, read
from callboard.workflow.nodes import MOST_BYTES

PLANS = 512
"""How many plans are kept in memory."""

_log = structlog.get_logger("callboard.publisher")


class FromFile(msgspec.Struct, frozen=True):
    """What became of one file of the folder."""

    file: str
    published: Published | None
    """Nothing: it has errors, and whatever version of it there was goes on."""
    faults: list[Fault]


class Publisher:
    """Publishes definitions, and hands out the plans of what was published."""

    def __init__(self, store: Store, journal: Journal, catalogue: Callable[[], Catalogue]) -> None:
        self._store = store
        self._journal = journal
        self._catalogue = catalogue
        self._plans: OrderedDict[tuple[Tenant, str, int], Plan] = OrderedDict()

    # ── publishing ───────────────────────────────────────────────────────────────────────────────────────

    async def publish(
        self, text: str | bytes, *, principal: PrincipalId = SYSTEM, tenant: Tenant = DEFAULT_TENANT
    ) -> tuple[Published, list[Fault]]:
        """Check a definition and see that it is the active version; return which that is, and warnings.

        `WorkflowInvalid` says everything that is wrong with it, and nothing changes.
        """
        catalogue = self._catalogue()
        known = await self._known(text, catalogue, tenant)
        # In a thread: a hostile file takes up to a second, and the loop has others to serve.
        accepted = await asyncio.to_thread(accept, text, catalogue=catalogue, workflows=known)
        published = await self._put(accepted.definition, principal, tenant)
        return published, accepted.warnings

    async def _put(self, definition: Definition, principal: PrincipalId, tenant: Tenant) -> Published:
        """Make a definition the active version; once more if somebody else published meanwhile."""
        stream = workflow_stream(definition.name)
        while True:
            try:
                expected = (await self._store.stream(stream, tenant=tenant)).version
            except StreamNotFound:
                expected = Version(0)
            published, fact = publish(definition, await self._standing(definition, tenant))
            if fact is None:
                return published
            turn = self._journal.turn(principal=principal, tenant=tenant)
            turn.append(stream, KIND, [fact], expected=expected)
            try:
                await self._journal.commit(turn)
            except ConcurrencyConflict:
                continue
            _log.info("workflow.published", workflow=published.name, version=published.version)
            return published

    async def _standing(self, definition: Definition, tenant: Tenant) -> Standing:
        active = await self._store.version(definition.name, tenant=tenant)
        if active is None:
            return Standing()
        (newest,) = await self._store.versions(definition.name, None, 1, tenant=tenant)
        same = await self._store.version_like(definition.name, checksum(definition), tenant=tenant)
        return Standing(newest.version, active.version, active.owner, same)

    async def _known(self, text: str | bytes, catalogue: Catalogue, tenant: Tenant) -> Known | None:
        """Return which workflows there are and what each starts, if the definition starts any."""
        named = await asyncio.to_thread(calls, text, catalogue=catalogue)
        if named is None or not named[1]:
            return None
        known = {}
        for row in await self._store.workflows(tenant=tenant):
            version = await self._store.version(row.name, tenant=tenant)
            if version is not None:
                starts = await asyncio.to_thread(calls, version.text, catalogue=catalogue)
                known[row.name] = starts[1] if starts is not None else frozenset()
        return known

    async def publish_folder(
        self, folder: Path, *, principal: PrincipalId = SYSTEM, tenant: Tenant = DEFAULT_TENANT
    ) -> list[FromFile]:
        """Publish every file of a folder that changed; one with errors leaves what there is alone."""
        texts, outcomes = await asyncio.to_thread(_texts, folder)
        catalogue = self._catalogue()
        checked = await asyncio.to_thread(check_together, texts, catalogue=catalogue)
        for file, faults in checked.items():
            if any(fault.severity == "error" for fault in faults):
                outcomes.append(FromFile(file, None, faults))
                continue
            definition = await asyncio.to_thread(_definition, texts[file])
            try:
                published = await self._put(definition, principal, tenant)
            except CallboardError as error:
                outcomes.append(FromFile(file, None, [*faults, _fault(error)]))
            else:
                outcomes.append(FromFile(file, published, faults))
        for outcome in outcomes:
            _tell(outcome)
        return outcomes

    # ── plans ────────────────────────────────────────────────────────────────────────────────────────────

    async def plan(self, workflow: str, version: int, *, tenant: Tenant = DEFAULT_TENANT) -> Plan:
        """Return what runs of a version live on; `NotFound` if there is no such version."""
        key = (tenant, workflow, version)
        plan = self._plans.get(key)
        if plan is not None:
            self._plans.move_to_end(key)
            return plan
        row = await self._store.version(workflow, version, tenant=tenant)
        if row is None:
            raise NotFound(f"There is no version {version} of the workflow {workflow}.")
        plan = await asyncio.to_thread(self._compile, row.text, f"{workflow}, version {version}")
        self._plans[key] = plan
        if len(self._plans) > PLANS:
            self._plans.popitem(last=False)
        return plan

    async def current(self, workflow: str, *, tenant: Tenant = DEFAULT_TENANT) -> tuple[int, Plan]:
        """Return the version that a run gets which names none, and its plan."""
        row = await self._store.version(workflow, tenant=tenant)
        if row is None:
            raise NotFound(
                f"There is no workflow {workflow}: put its file into config/workflows, or publish it."
            )
        return row.version, await self.plan(workflow, row.version, tenant=tenant)

    def _compile(self, text: str, what: str) -> Plan:
        definition, catalogue = _definition(text), self._catalogue()
        try:
            return compile_plan(definition, catalogue)
        except KeyError as error:
            msg = f"The workflow {what} has a step of the kind {error.args[0]}, which is not there any more."
            raise KindUnavailable(msg) from None


def _definition(text: str | bytes) -> Definition:
    """Read a definition that was checked before."""
    return define(Notes(read(text))).definition


def _texts(folder: Path) -> tuple[dict[str, bytes], list[FromFile]]:
    """Return what is in the files of a folder, and those that cannot be read."""
    texts: dict[str, bytes] = {}
    unread = []
    found = sorted(folder.rglob("*")) if folder.is_dir() else []
    for file in [file for file in found if file.suffix in SUFFIXES and file.is_file()]:
        try:
            with file.open("rb") as stream:
                texts[str(file)] = stream.read(MOST_BYTES + 1)
        except OSError as error:
            fault = Fault("", 1, 1, "UNREADABLE", f"The file cannot be read: {error.strerror}.")
            unread.append(FromFile(str(file), None, [fault]))
    return texts, unread


def _fault(error: CallboardError) -> Fault:
    return Fault("", 1, 1, error.code, error.message)


def _tell(outcome: FromFile) -> None:
    """Write to the log what is wrong with a file."""
    for fault in outcome.faults:
        if fault.severity == "error":
            _log.error(
                "workflow.not_published",
                file=f"{outcome.file}:{fault.line}:{fault.column}",
                code=fault.code,
                reason=fault.message,
            )
