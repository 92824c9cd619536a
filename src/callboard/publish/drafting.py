"""Drafts: workflows that somebody works on.

    draft = await drafts.create(text, principal=principal)
    draft = await drafts.save("claims", text, draft.revision, principal=principal)
    published, warnings = await drafts.publish("claims", principal=principal)

A draft may hold anything: its faults are told whenever it is looked at, and refused only when it is
published. Whoever saves says which revision he has changed, so of two editors the second is told of the
first, and overwrites nothing.
"""

from __future__ import annotations

import asyncio

import msgspec

from callboard.errors import RequestInvalid, WorkflowInvalid
from callboard.facts import publishing
from callboard.facts.publishing import DraftSaved, Published, Standing, WorkflowFact, owner_of
from callboard.ids import DEFAULT_TENANT, PrincipalId, Tenant
from callboard.publish.publisher import Publisher
from callboard.store.port import Store
from callboard.store.runrows import DraftRow
from callboard.units import size_text
from callboard.workflow import Definition, Enough, Fault, Notes, Unreadable, define, in_order, read
from callboard.workflow.nodes import MOST_BYTES


class Drafts:
    """Keeps drafts, and publishes them."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher
        self._shelf = publisher.shelf

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────

    async def read(self, name: str, *, tenant: Tenant = DEFAULT_TENANT) -> DraftRow:
        """Return the draft of a workflow; `NotFound` if there is none."""
        row = await self._store.draft(name, tenant=tenant)
        if row is not None:
            return row
        if await self._store.workflow(name, tenant=tenant) is None:
            raise await self._publisher.missing(name, tenant)
        raise publishing.no_draft(name)

    async def faults(self, draft: DraftRow, *, tenant: Tenant = DEFAULT_TENANT) -> list[Fault]:
        """Return everything that is wrong with a draft, as publishing would find it."""
        found = await self._publisher.faults(draft.text, tenant=tenant)
        standing = await self._shelf.standing(draft.workflow, tenant)
        return in_order([*found, *await asyncio.to_thread(_out_of_place, draft, standing)])

    # ── working on it ────────────────────────────────────────────────────────────────────────────────────

    async def create(
        self, text: str, name: str | None = None, *, principal: PrincipalId, tenant: Tenant = DEFAULT_TENANT
    ) -> DraftRow:
        """Make a workflow that is a draft; `AlreadyExists` if there is one of the name."""
        definition = await _sketch(text)
        named = name or (definition.name if definition is not None else "")
        if not named:
            raise RequestInvalid("The text does not say how the workflow is called: name it.", field="$.name")
        draft = _saved(named, text, definition)

        async def decide(standing: Standing) -> tuple[None, list[WorkflowFact]]:
            return None, publishing.create(standing, draft)

        await self._shelf.change(named, decide, principal=principal, tenant=tenant)
        return await self.read(named, tenant=tenant)

    async def save(
        self,
        name: str,
        text: str,
        revision: int,
        *,
        principal: PrincipalId,
        tenant: Tenant = DEFAULT_TENANT,
    ) -> DraftRow:
        """Put a text in the place of the draft that was read; `Conflict` if it is another one by now.

        Revision 0 says that there was none, and begins one. The same text again saves nothing: whoever saves
        every few seconds does not fill the log.
        """
        draft = _saved(name, text, await _sketch(text))

        async def decide(standing: Standing) -> tuple[None, list[WorkflowFact]]:
            facts = publishing.save(standing, draft, revision)
            before = await self._store.draft(name, tenant=tenant)
            return None, [] if before is not None and before.text == text else facts

        await self._shelf.change(name, decide, principal=principal, tenant=tenant)
        return await self.read(name, tenant=tenant)

    async def drop(
        self,
        name: str,
        revision: int | None = None,
        *,
        principal: PrincipalId,
        tenant: Tenant = DEFAULT_TENANT,
    ) -> None:
        """Throw a draft away; a workflow that was nothing else is gone with it."""

        async def decide(standing: Standing) -> tuple[None, list[WorkflowFact]]:
            if standing.status is None:
                raise await self._publisher.missing(name, tenant)
            return None, publishing.drop(standing, revision)

        await self._shelf.change(name, decide, principal=principal, tenant=tenant)

    async def delete(self, name: str, *, principal: PrincipalId, tenant: Tenant = DEFAULT_TENANT) -> None:
        """Take a workflow away that was never published; `WrongState` if it was."""

        async def decide(standing: Standing) -> tuple[None, list[WorkflowFact]]:
            if standing.status is None:
                raise await self._publisher.missing(name, tenant)
            return None, publishing.delete(standing)

        await self._shelf.change(name, decide, principal=principal, tenant=tenant)

    async def publish(
        self,
        name: str,
        revision: int | None = None,
        *,
        activate: bool = True,
        principal: PrincipalId,
        tenant: Tenant = DEFAULT_TENANT,
    ) -> tuple[Published, list[Fault]]:
        """Make a draft the next version, the active one if wanted; it is no draft any more.

        `Conflict` if it is not at the revision that is named, `WorkflowInvalid` if it has errors.
        """
        draft = await self.read(name, tenant=tenant)
        if revision is not None:
            publishing.must_have(Standing(name, draft=draft.revision), revision)
        standing = await self._shelf.standing(name, tenant)
        wrong = await asyncio.to_thread(_out_of_place, draft, standing)
        if wrong:
            raise WorkflowInvalid(wrong[0].message, faults=[msgspec.to_builtins(fault) for fault in wrong])
        accepted = await self._publisher.accept(draft.text, tenant=tenant)
        definition = accepted.definition

        async def decide(standing: Standing) -> tuple[Published, list[WorkflowFact]]:
            same = await self._publisher.same(definition, tenant)
            return publishing.publish_draft(
                definition, standing, same, revision=draft.revision, activate=activate
            )

        done = await self._shelf.change(name, decide, principal=principal, tenant=tenant)
        return done, accepted.warnings


def definition_of(text: str) -> Definition | None:
    """Return what a text says as far as it can be read; None if it cannot be read at all."""
    try:
        return define(Notes(read(text))).definition
    except (Unreadable, Enough):
        return None


async def _sketch(text: str) -> Definition | None:
    if len(text.encode(errors="surrogatepass")) > MOST_BYTES:
        raise RequestInvalid(
            f"A workflow file has at most {size_text(MOST_BYTES)}: this is none.", field="$.text"
        )
    # In a thread: a hostile text takes a while, and the loop has others to serve.
    return await asyncio.to_thread(definition_of, text)


def _saved(name: str, text: str, definition: Definition | None) -> DraftSaved:
    if definition is None:
        return DraftSaved(name, text)
    return DraftSaved(name, text, definition.description, owner_of(definition))


def _out_of_place(draft: DraftRow, standing: Standing) -> list[Fault]:
    """Say what a draft may not change of its workflow: its name, and whom it belongs to."""
    definition = definition_of(draft.text)
    if definition is None:
        return []
    found = []
    place = read(draft.text).place
    if definition.name not in {"", draft.workflow}:
        said = (
            f"This is a draft of {draft.workflow}, and it is called {definition.name}: a workflow keeps its "
            "name."
        )
        found.append(Fault("name", *place(("name",)), "NAME_DIFFERS", said))
    if standing.versions and owner_of(definition) != standing.owner:
        said = publishing.owner_kept(draft.workflow, standing.owner, owner_of(definition))
        found.append(Fault("owner", *place(("owner",)), "OWNER_DIFFERS", said))
    return found
