"""The library: from template files to versions in the log, and from versions to what is filled in.

    library = Library(store, journal)
    published, warnings = await library.publish(text, principal=principal)
    await library.publish_folder(Path("config/templates"))
    documents = await library.documents("letters", 3)      # for steps: read once, then from memory

A version that is in the log was good when it was published, and is not checked again; a text that is not the
one whose checksum was published is not used at all.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from callboard.actors.journal import Journal
from callboard.errors import CallboardError, NotFound, StoreUnavailable, VersionAltered
from callboard.facts.publishing import Published
from callboard.ids import DEFAULT_TENANT, SYSTEM, PrincipalId, Tenant
from callboard.publish.agreed import agreed
from callboard.publish.publisher import FromFile, texts_in
from callboard.spelling import no_such
from callboard.store.port import Store
from callboard.templates import Documents, Instantiable, TemplateDefinition, accept
from callboard.templates.accepting import defined
from callboard.templates.definition import checksum
from callboard.templates.publishing import KIND, publish, publish_file, template_stream
from callboard.templates.rows import TemplateVersionRow
from callboard.workflow import Fault

KEPT = 256
"""How many versions of sets of documents are kept in memory."""

_log = structlog.get_logger("callboard.publish.library")


class Library:
    """Publishes templates, and hands out what was published."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._kept: OrderedDict[tuple[Tenant, str, int], Documents] = OrderedDict()

    # ── publishing ───────────────────────────────────────────────────────────────────────────────────────

    async def publish(
        self, text: str | bytes, *, principal: PrincipalId, tenant: Tenant = DEFAULT_TENANT
    ) -> tuple[Published, list[Fault]]:
        """Check a template and see that it is a version, and the active one; return it, and warnings.

        `TemplateInvalid` says everything that is wrong with it, and nothing changes.
        """
        # In a thread: a hostile file takes up to a second, and the loop has others to serve.
        accepted = await asyncio.to_thread(accept, text)
        return await self._put(accepted.definition, principal, tenant), accepted.warnings

    async def publish_folder(
        self, folder: Path, *, principal: PrincipalId = SYSTEM, tenant: Tenant = DEFAULT_TENANT
    ) -> list[FromFile]:
        """Publish every file of a folder that changed; one with errors leaves what there is alone.

        `StoreUnavailable` ends it: publish the folder again.
        """
        texts, outcomes = await asyncio.to_thread(texts_in, folder)
        defined_in: dict[str, str] = {}
        for file, data in texts.items():
            published = None
            try:
                accepted = await asyncio.to_thread(accept, data)
                name, faults = accepted.definition.name, accepted.warnings
                where = defined_in.setdefault(name, file)
                if where == file:
                    published = await self._put(accepted.definition, principal, tenant, filed=True)
                else:
                    said = f"The template {name} is defined in {where} already."
                    faults = [*faults, Fault("name", 1, 1, "NAME_TWICE", said)]
            except StoreUnavailable:
                raise  # it is no fault of the file, and nobody would publish it when the disk is well again
            except CallboardError as error:
                faults = _faults(error)
            outcomes.append(FromFile(file, published, faults))
        for outcome in outcomes:
            for fault in outcome.faults:
                if fault.severity == "error":
                    place = f"{outcome.file}:{fault.line}:{fault.column}"
                    _log.error("template.not_published", file=place, code=fault.code, reason=fault.message)
        return outcomes

    async def _put(
        self, definition: TemplateDefinition, principal: PrincipalId, tenant: Tenant, *, filed: bool = False
    ) -> Published:
        """See that a template is a version; once more if somebody else did something meanwhile."""
        name = definition.name

        async def decide() -> tuple[Published, Sequence[msgspec.Struct]]:
            standing = await self._store.template(name, tenant=tenant)
            same = await self._store.template_like(name, checksum(definition), tenant=tenant)
            return (publish_file if filed else publish)(definition, standing, same)

        parts = self._store, self._journal, template_stream(name), KIND
        done, facts = await agreed(*parts, decide, principal=principal, tenant=tenant)
        if facts:
            _log.info("template.published", template=name, version=done.version, created=done.created)
        return done

    # ── what was published ───────────────────────────────────────────────────────────────────────────────

    async def documents(
        self, name: str, version: int | None = None, *, tenant: Tenant = DEFAULT_TENANT
    ) -> Documents:
        """Return a version of a set of documents, the active one if none is named; `NotFound` for neither."""
        number = version
        if number is None:
            standing = await self._store.template(name, tenant=tenant)
            number = None if standing is None else standing.version
        kept = None if number is None else self._kept.get((tenant, name, number))
        if kept is not None:
            self._kept.move_to_end((tenant, name, kept.version or 0))
            return kept
        row = await self.version(name, number, tenant=tenant)
        made = Documents(name, row.version, _definition(row))
        self._kept[tenant, name, row.version] = made
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return made

    async def instantiable(
        self, name: str, version: int | None = None, *, tenant: Tenant = DEFAULT_TENANT
    ) -> Instantiable:
        """Return a version of a workflow's template, the active one if none is named."""
        row = await self.version(name, version, tenant=tenant)
        return Instantiable(name, row.version, _definition(row))

    async def version(
        self, name: str, version: int | None = None, *, tenant: Tenant = DEFAULT_TENANT
    ) -> TemplateVersionRow:
        """Return a version of a template, the active one if none is named; `NotFound` if there is none."""
        row = await self._store.template_version(name, version, tenant=tenant)
        if row is not None:
            return row
        standing = await self._store.template(name, tenant=tenant)
        if standing is None:
            known = [one.name for one in await self._store.templates(tenant=tenant)]
            raise NotFound(no_such("template", name, known), template=name)
        said = f"The template {name} has no version {version}: there are 1 to {standing.versions}."
        raise NotFound(said, template=name, version=version)


def _definition(row: TemplateVersionRow) -> TemplateDefinition:
    if hashlib.sha256(row.text.encode()).hexdigest() != row.checksum:
        msg = (
            f"Version {row.version} of the template {row.template} is not what was published: somebody "
            "altered the database. Restore a backup; nothing is made from it until then."
        )
        raise VersionAltered(msg, template=row.template, version=row.version)
    return defined(row.text)


def _faults(error: CallboardError) -> list[Fault]:
    """Return what an error says of a file."""
    told = error.details.get("faults")
    if told:
        return [Fault(**fault) for fault in told]
    return [Fault("", 1, 1, error.code, error.message)]
