"""The publisher: from files to versions in the log, and from versions to plans.

    publisher = Publisher(store, journal, catalogue)
    published, warnings = await publisher.publish(text)    # which version it is, and whether it is new
    await publisher.publish_folder(Path("config/workflows"))
    plan = await publisher.plan("claims-triage", 3)        # for runs: compiled once, then from memory
    await publisher.archive("claims-triage", principal=principal)

Checking is strict and takes place once, at the door. A version that is in the log was good when it was
published, so its plan is compiled without another check: runs of it go on whatever later versions of
Callboard find fault with. Only a kind of step that is gone cannot be made up for, and is told by name; and a
text that is not the one whose checksum was published is not run at all.

Who wants to know when something becomes another version, or is archived, is a witness of `publisher.shelf`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from callboard.actors.journal import Journal
from callboard.checking import Accepted, Known, accept, calls, check
from callboard.checking.together import SUFFIXES, check_together
from callboard.errors import (
    CallboardError,
    KindUnavailable,
    NotFound,
    StoreUnavailable,
    VersionAltered,
    WorkflowInactive,
)
from callboard.facts import publishing
from callboard.facts.publishing import Published, Standing, WorkflowFact
from callboard.ids import DEFAULT_TENANT, SYSTEM, PrincipalId, Tenant
from callboard.planning.plan import Plan, compile_plan
from callboard.planning.step import Catalogue
from callboard.publish.hookpaths import check_paths
from callboard.publish.shelf import Shelf
from callboard.spelling import did_you_mean
from callboard.store.port import Store
from callboard.store.runrows import VersionRow
from callboard.workflow import Definition, Fault, Notes, checksum, define, read
from callboard.workflow.nodes import MOST_BYTES

PLANS = 512
"""How many plans are kept in memory."""

_log = structlog.get_logger("callboard.publish.publisher")


class FromFile(msgspec.Struct, frozen=True):
    """What became of one file of the folder."""

    file: str
    published: Published | None
    """Nothing: it has errors, and whatever version of it there was goes on."""
    faults: list[Fault]


class Publisher:
    """Publishes definitions, says which of them run, and hands out the plans of what was published."""

    def __init__(self, store: Store, journal: Journal, catalogue: Callable[[], Catalogue]) -> None:
        self.shelf = Shelf(store, journal)
        self._store = store
        self._catalogue = catalogue
        self._plans: OrderedDict[tuple[Tenant, str, int], Plan] = OrderedDict()

    # ── publishing ───────────────────────────────────────────────────────────────────────────────────────

    async def publish(
        self,
        text: str | bytes,
        *,
        activate: bool = True,
        principal: PrincipalId = SYSTEM,
        tenant: Tenant = DEFAULT_TENANT,
    ) -> tuple[Published, list[Fault]]:
        """Check a definition and see that it is a version, the active one if wanted; return it, and warnings.

        `WorkflowInvalid` says everything that is wrong with it, and nothing changes.
        """
        accepted = await self.accept(text, tenant=tenant)
        definition = accepted.definition

        async def decide(standing: Standing) -> tuple[Published, list[WorkflowFact]]:
            same = await self.same(definition, tenant)
            return publishing.publish(definition, standing, same, activate=activate)

        done = await self.shelf.change(definition.name, decide, principal=principal, tenant=tenant)
        return done, accepted.warnings

    async def accept(self, text: str | bytes, *, tenant: Tenant = DEFAULT_TENANT) -> Accepted:
        """Check a text as for publishing; `WorkflowInvalid` if it has errors."""
        catalogue = self._catalogue()
        known = await self._known(text, catalogue, tenant)
        # In a thread: a hostile file takes up to a second, and the loop has others to serve.
        accepted = await asyncio.to_thread(accept, text, catalogue=catalogue, workflows=known)
        await check_paths(self._store, accepted.definition, tenant)
        return accepted

    async def faults(self, text: str, *, tenant: Tenant = DEFAULT_TENANT) -> list[Fault]:
        """Return everything that is wrong with a text, as publishing would find it."""
        catalogue = self._catalogue()
        known = await self._known(text, catalogue, tenant)
        return await asyncio.to_thread(check, text, catalogue=catalogue, workflows=known)

    async def same(self, definition: Definition, tenant: Tenant) -> int | None:
        """Return the version that has the very content of a definition."""
        return await self._store.version_like(definition.name, checksum(definition), tenant=tenant)

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
        """Publish every file of a folder that changed; one with errors leaves what there is alone.

        `StoreUnavailable` ends it: publish the folder again.
        """
        texts, outcomes = await asyncio.to_thread(texts_in, folder)
        catalogue = self._catalogue()
        checked = await asyncio.to_thread(check_together, texts, catalogue=catalogue)
        for file, faults in checked.items():
            if any(fault.severity == "error" for fault in faults):
                outcomes.append(FromFile(file, None, faults))
                continue
            definition = await asyncio.to_thread(_definition, texts[file])
            try:
                published = await self._take(definition, principal, tenant)
                remark = await self._remark(published, tenant)
            except StoreUnavailable:
                raise  # it is no fault of the file, and nobody would publish it when the disk is well again
            except CallboardError as error:
                outcomes.append(FromFile(file, None, [*faults, _fault(error)]))
            else:
                outcomes.append(FromFile(file, published, [*faults, *remark]))
        for outcome in outcomes:
            _tell(outcome)
        return outcomes

    async def _take(self, definition: Definition, principal: PrincipalId, tenant: Tenant) -> Published:
        async def decide(standing: Standing) -> tuple[Published, list[WorkflowFact]]:
            return publishing.publish_file(definition, standing, await self.same(definition, tenant))

        await check_paths(self._store, definition, tenant)
        return await self.shelf.change(definition.name, decide, principal=principal, tenant=tenant)

    async def _remark(self, published: Published, tenant: Tenant) -> list[Fault]:
        """Say that what a file says does not run, where that is so: it may be a surprise."""
        name, version = published.name, published.version
        standing = await self.shelf.standing(name, tenant)
        if standing.status == "archived":
            said = f"The workflow {name} is archived: this is version {version}, and no run of it starts."
            return [Fault("name", 1, 1, "WORKFLOW_ARCHIVED", said, severity="warning")]
        if standing.active != version:
            said = (
                f"This is version {version} of {name}, and version {standing.active} was made active since."
            )
            return [Fault("name", 1, 1, "VERSION_NOT_ACTIVE", said, severity="warning")]
        return []

    # ── which of them run ────────────────────────────────────────────────────────────────────────────────

    async def activate(
        self, name: str, version: int, *, principal: PrincipalId, tenant: Tenant = DEFAULT_TENANT
    ) -> bool:
        """Make a version the active one; return whether another one was before."""
        row = await self._version(name, version, tenant)
        wanted = publishing.VersionActivated(name, version, row.description, row.owner)

        async def decide(standing: Standing) -> tuple[bool, list[WorkflowFact]]:
            facts = publishing.activate(standing, wanted)
            return bool(facts), facts

        return await self.shelf.change(name, decide, principal=principal, tenant=tenant)

    async def archive(
        self, name: str, reason: str = "", *, principal: PrincipalId, tenant: Tenant = DEFAULT_TENANT
    ) -> None:
        """Let no more runs of a workflow start; those under way go on."""

        async def decide(standing: Standing) -> tuple[None, list[WorkflowFact]]:
            if standing.status is None:
                raise await self.missing(name, tenant)
            return None, publishing.archive(standing, publishing.WorkflowArchived(name, reason))

        await self.shelf.change(name, decide, principal=principal, tenant=tenant)

    async def reactivate(
        self,
        name: str,
        version: int | None = None,
        *,
        principal: PrincipalId,
        tenant: Tenant = DEFAULT_TENANT,
    ) -> int:
        """Let runs of an archived workflow start again, in the version that it had; return which that is."""

        async def decide(standing: Standing) -> tuple[int, list[WorkflowFact]]:
            if standing.status is None:
                raise await self.missing(name, tenant)
            number = version or standing.active
            described, owner = "", standing.owner
            if standing.status == "archived":
                row = await self._version(name, number, tenant)
                described, owner = row.description, row.owner
            wanted = publishing.WorkflowReactivated(name, number, described, owner)
            return number, publishing.reactivate(standing, wanted)

        return await self.shelf.change(name, decide, principal=principal, tenant=tenant)

    async def missing(self, name: str, tenant: Tenant = DEFAULT_TENANT) -> NotFound:
        """Return the error for a workflow that is not there, with the name that was probably meant."""
        known = [row.name for row in await self._store.workflows(tenant=tenant)]
        return publishing.missing(name, did_you_mean(name, known))

    async def _version(self, name: str, version: int, tenant: Tenant) -> VersionRow:
        row = await self._store.version(name, version, tenant=tenant)
        if row is not None:
            return row
        standing = await self.shelf.standing(name, tenant)
        if standing.status is None:
            raise await self.missing(name, tenant)
        has = f"there are 1 to {standing.versions}" if standing.versions else "it is a draft"
        raise NotFound(
            f"The workflow {name} has no version {version}: {has}.", workflow=name, version=version
        )

    # ── plans ────────────────────────────────────────────────────────────────────────────────────────────

    async def plan(self, workflow: str, version: int, *, tenant: Tenant = DEFAULT_TENANT) -> Plan:
        """Return what runs of a version live on; `NotFound` if there is no such version."""
        key = (tenant, workflow, version)
        plan = self._plans.get(key)
        if plan is not None:
            self._plans.move_to_end(key)
            return plan
        row = await self._version(workflow, version, tenant)
        if hashlib.sha256(row.text.encode()).hexdigest() != row.checksum:
            msg = (
                f"Version {version} of the workflow {workflow} is not what was published: somebody altered "
                "the database. Restore a backup; no run of it goes on until then."
            )
            raise VersionAltered(msg, workflow=workflow, version=version)
        plan = await asyncio.to_thread(self._compile, row.text, f"{workflow}, version {version}")
        self._plans[key] = plan
        if len(self._plans) > PLANS:
            self._plans.popitem(last=False)
        return plan

    async def current(
        self, workflow: str, version: int | None = None, *, tenant: Tenant = DEFAULT_TENANT
    ) -> tuple[int, Plan]:
        """Return the version that a new run gets, the one that is named if any, and its plan.

        `WorkflowInactive` if no run of it may start.
        """
        row = await self._store.workflow(workflow, tenant=tenant)
        if row is None:
            raise await self.missing(workflow, tenant)
        if row.archived is not None:
            why = f" ({row.archived.reason})" if row.archived.reason else ""
            msg = f"The workflow {workflow} is archived{why}: no run of it starts until it is reactivated."
            raise WorkflowInactive(msg, workflow=workflow, status=row.status)
        if row.status == "draft" and not (version and row.versions):
            nothing = "none of its versions is active" if row.versions else "it is a draft"
            msg = (
                f"No run of the workflow {workflow} can start: {nothing}. Publish it, or activate a version."
            )
            raise WorkflowInactive(msg, workflow=workflow, status=row.status)
        number = version or row.version
        return number, await self.plan(workflow, number, tenant=tenant)

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


def texts_in(folder: Path) -> tuple[dict[str, bytes], list[FromFile]]:
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


_NOT_RUNNING = frozenset({"WORKFLOW_ARCHIVED", "VERSION_NOT_ACTIVE"})


def _tell(outcome: FromFile) -> None:
    """Write to the log what is wrong with a file, and why what it says does not run."""
    for fault in outcome.faults:
        place = f"{outcome.file}:{fault.line}:{fault.column}"
        if fault.severity == "error":
            _log.error("workflow.not_published", file=place, code=fault.code, reason=fault.message)
        elif fault.code in _NOT_RUNNING:
            _log.warning("workflow.not_running", file=place, code=fault.code, reason=fault.message)
