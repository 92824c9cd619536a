"""The life of a workflow: a draft, versions of which one runs, the archive, and back."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from callboard.desk.workflows import WorkflowsDesk
from callboard.errors import (
    AlreadyExists,
    CallboardError,
    Conflict,
    NotFound,
    RequestInvalid,
    VersionAltered,
    WorkflowInactive,
    WorkflowInvalid,
    WrongState,
)
from callboard.facts.publishing import Published, workflow_stream
from callboard.ids import PrincipalId, Tenant, Version
from callboard.planning.catalogue import catalogue
from callboard.publish.drafting import Drafts
from callboard.publish.publisher import FromFile, Publisher
from callboard.store.port import Store
from callboard.store.runrows import WorkflowRow
from callboard.web import workflows
from tests.unit.company.stage import stage

ANN, BEN = PrincipalId("ann"), PrincipalId("ben")
TIDY = "name: tidy\ndescription: Tidy up\nsteps:\n  - {id: a, uses: core.echo}\n"
OTHER = TIDY.replace("Tidy up", "Tidy all up")
FAULTY = TIDY.replace("core.echo", "core.ecko")


class Shelf:
    """A publisher with its drafts, and the store behind them."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self.store = store
        self.publisher = publisher
        self.drafts = Drafts(store, publisher)
        self.desk = WorkflowsDesk(store, publisher)

    async def publish(self, text: str, **more: Any) -> Published:
        return (await self.publisher.publish(text, principal=ANN, **more))[0]

    async def row(self, name: str = "tidy") -> WorkflowRow:
        row = await self.store.workflow(name)
        assert row is not None
        return row

    async def folder(self, folder: Path, text: str) -> FromFile:
        (folder / "tidy.yaml").write_text(text)
        (found,) = await self.publisher.publish_folder(folder)
        return found

    async def facts(self) -> list[str]:
        events = await self.store.events(workflow_stream("tidy"), Version(0), 1_000)
        return [event.type for event in events]


@asynccontextmanager
async def opened(file: Path) -> AsyncIterator[Shelf]:
    async with stage(file) as here:
        yield Shelf(here.store, Publisher(here.store, here.company.services.journal, catalogue))


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    async with opened(Path(":memory:")) as found:
        yield found


# ── drafts ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_draft_becomes_the_first_version(shelf: Shelf) -> None:
    draft = await shelf.drafts.create(TIDY, principal=ANN)
    assert (draft.workflow, draft.text, draft.principal) == ("tidy", TIDY, "ann")
    with pytest.raises(WorkflowInactive, match="it is a draft"):
        await shelf.publisher.current("tidy")
    done, warnings = await shelf.drafts.publish("tidy", principal=BEN)
    assert (done, warnings) == (Published("tidy", 1, created=True, activated=True), [])
    assert ((await shelf.row()).status, (await shelf.row()).draft) == ("active", 0)
    assert (await shelf.publisher.current("tidy"))[0] == 1
    version = await shelf.store.version("tidy")
    assert version is not None
    assert version.principal == "ben"
    with pytest.raises(NotFound, match="has no draft"):
        await shelf.drafts.read("tidy")


async def test_a_draft_beside_what_runs_becomes_the_next_version(shelf: Shelf) -> None:
    """Until it is published nothing of what runs changes."""
    await shelf.publish(TIDY)
    draft = await shelf.drafts.save("tidy", OTHER, 0, principal=ANN)
    assert ((await shelf.row()).description, (await shelf.publisher.current("tidy"))[0]) == ("Tidy up", 1)
    await shelf.drafts.publish("tidy", draft.revision, principal=ANN)
    assert ((await shelf.row()).description, (await shelf.publisher.current("tidy"))[0]) == ("Tidy all up", 2)


@pytest.mark.parametrize(
    "text", [FAULTY, "name: tidy\n", "{", "", "a: [\x00", "- 1\n", "name: tidy\nsteps: 7\n"]
)
async def test_a_faulty_draft_is_kept_and_refused_only_when_it_is_published(shelf: Shelf, text: str) -> None:
    draft = await shelf.drafts.create(text, "tidy", principal=ANN)
    assert (await shelf.drafts.read("tidy")).text == text
    assert any(fault.severity == "error" for fault in await shelf.drafts.faults(draft))
    with pytest.raises(WorkflowInvalid):
        await shelf.drafts.publish("tidy", principal=ANN)
    assert (await shelf.row()).draft == draft.revision
    assert await shelf.store.versions("tidy", None, 9) == []


async def test_of_two_editors_the_second_is_told_of_the_first(shelf: Shelf) -> None:
    """And overwrites nothing; nor does whoever publishes what he has not read."""
    seen = (await shelf.drafts.create(TIDY, principal=ANN)).revision
    newer = await shelf.drafts.save("tidy", OTHER, seen, principal=BEN)
    for doing in (
        shelf.drafts.save("tidy", TIDY, seen, principal=ANN),
        shelf.drafts.save("tidy", TIDY, 0, principal=ANN),
        shelf.drafts.publish("tidy", seen, principal=ANN),
        shelf.drafts.drop("tidy", seen, principal=ANN),
    ):
        with pytest.raises(Conflict, match=f"is at revision {newer.revision}"):
            await doing
    assert (await shelf.drafts.read("tidy")).text == OTHER


async def test_a_revision_never_comes_back(shelf: Shelf) -> None:
    """Else an editor could overwrite a draft that he has never seen."""
    first = await shelf.drafts.create(TIDY, principal=ANN)
    await shelf.drafts.drop("tidy", first.revision, principal=ANN)
    again = await shelf.drafts.create(OTHER, principal=BEN)
    assert again.revision > first.revision
    with pytest.raises(Conflict):
        await shelf.drafts.save("tidy", TIDY, first.revision, principal=ANN)


async def test_of_twenty_who_save_at_once_one_does(shelf: Shelf) -> None:
    revision = (await shelf.drafts.create(TIDY, principal=ANN)).revision
    done = await asyncio.gather(
        *(shelf.drafts.save("tidy", f"# {n}\n{TIDY}", revision, principal=ANN) for n in range(20)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in done) == ["Conflict"] * 19 + ["DraftRow"]


async def test_twenty_who_publish_the_same_draft_at_once_make_one_version(shelf: Shelf) -> None:
    """To the others it is gone; twenty who publish the same text all get that version."""
    await shelf.drafts.create(TIDY, principal=ANN)
    done = await asyncio.gather(
        *(shelf.drafts.publish("tidy", principal=ANN) for _ in range(20)), return_exceptions=True
    )
    made = [one for one in done if not isinstance(one, CallboardError | BaseException)]
    assert [one[0] for one in made] == [Published("tidy", 1, created=True, activated=True)]
    assert {type(one) for one in done} <= {tuple, Conflict, NotFound}
    json = '{"steps": [{"uses": "core.echo", "id": "a"}], "name": "tidy", "description": "Tidy up"}'
    texts = [TIDY, f"# a remark\n\n{TIDY}", json]
    same = await asyncio.gather(*(shelf.publish(texts[n % 3]) for n in range(21)))
    assert {(one.version, one.created, one.activated) for one in same} == {(1, False, False)}
    assert len(await shelf.store.versions("tidy", None, 9)) == 1


async def test_a_draft_that_is_what_runs_makes_no_version(shelf: Shelf) -> None:
    """And is no draft any more."""
    await shelf.publish(TIDY)
    await shelf.drafts.save("tidy", f"# the same\n{TIDY}", 0, principal=ANN)
    done, _ = await shelf.drafts.publish("tidy", principal=ANN)
    assert done == Published("tidy", 1, created=False, activated=False)
    assert (await shelf.row()).draft == 0


async def test_a_draft_keeps_the_name_of_its_workflow(shelf: Shelf) -> None:
    await shelf.drafts.create(TIDY, principal=ANN)
    draft = await shelf.drafts.save("tidy", TIDY.replace("name: tidy", "name: neat"), 1, principal=ANN)
    (fault,) = [one for one in await shelf.drafts.faults(draft) if one.severity == "error"]
    assert (fault.code, fault.line, fault.path) == ("NAME_DIFFERS", 1, "name")
    with pytest.raises(WorkflowInvalid, match="keeps its name"):
        await shelf.drafts.publish("tidy", principal=ANN)
    assert await shelf.store.workflow("neat") is None


async def test_a_draft_keeps_the_owner_of_its_workflow(shelf: Shelf) -> None:
    """Once there is a version: until then nobody has it."""
    await shelf.drafts.create(TIDY, principal=ANN)
    mine = await shelf.drafts.save("tidy", TIDY + "owner: {bot: clerk}\n", 1, principal=ANN)
    assert await shelf.drafts.faults(mine) == []
    await shelf.drafts.publish("tidy", principal=ANN)
    draft = await shelf.drafts.save("tidy", OTHER, 0, principal=ANN)
    (fault,) = await shelf.drafts.faults(draft)
    assert (fault.code, fault.path) == ("OWNER_DIFFERS", "owner")
    with pytest.raises(WorkflowInvalid, match=r"belongs to the bot clerk.*to everybody"):
        await shelf.drafts.publish("tidy", principal=ANN)


async def test_the_same_text_again_saves_nothing(shelf: Shelf) -> None:
    """An editor that saves every few seconds does not fill the log; whoever has not read is refused."""
    first = await shelf.drafts.create(TIDY, principal=ANN)
    assert await shelf.drafts.save("tidy", TIDY, first.revision, principal=BEN) == first
    with pytest.raises(Conflict):
        await shelf.drafts.save("tidy", TIDY, 0, principal=BEN)
    assert await shelf.facts() == ["draft_saved"]


async def test_only_what_was_never_published_can_be_deleted(shelf: Shelf) -> None:
    await shelf.drafts.create(TIDY, principal=ANN)
    await shelf.drafts.delete("tidy", principal=ANN)
    with pytest.raises(NotFound):
        await shelf.drafts.delete("tidy", principal=ANN)
    await shelf.publish(TIDY)
    with pytest.raises(WrongState, match="archive it instead"):
        await shelf.drafts.delete("tidy", principal=ANN)
    await shelf.drafts.save("tidy", OTHER, 0, principal=ANN)
    with pytest.raises(WrongState, match="its draft can be dropped"):
        await shelf.drafts.delete("tidy", principal=ANN)
    await shelf.drafts.drop("tidy", principal=ANN)
    assert ((await shelf.row()).draft, (await shelf.row()).version) == (0, 1)


async def test_what_cannot_be_a_draft_is_refused(shelf: Shelf) -> None:
    with pytest.raises(RequestInvalid, match="does not say how the workflow is called"):
        await shelf.drafts.create("steps: []\n", principal=ANN)
    with pytest.raises(RequestInvalid, match="at most 1MiB"):
        await shelf.drafts.create("#" * (1 << 20) + "\n", "tidy", principal=ANN)
    await shelf.drafts.create(TIDY, principal=ANN)
    with pytest.raises(AlreadyExists):
        await shelf.drafts.create(TIDY, principal=ANN)
    for doing in (
        shelf.drafts.drop("tidi", principal=ANN),
        shelf.drafts.read("tidi"),
        shelf.drafts.publish("tidi", principal=ANN),
    ):
        with pytest.raises(NotFound, match="did you mean tidy"):
            await doing


# ── which of them run ────────────────────────────────────────────────────────────────────────────────────


async def test_a_version_can_be_published_without_running(shelf: Shelf) -> None:
    assert await shelf.publish(TIDY, activate=False) == Published("tidy", 1, created=True, activated=False)
    with pytest.raises(WorkflowInactive, match="none of its versions is active"):
        await shelf.publisher.current("tidy")
    assert (await shelf.publisher.current("tidy", 1))[0] == 1, "one that is named can be tried"
    assert await shelf.publisher.activate("tidy", 1, principal=ANN)
    assert await shelf.publish(OTHER, activate=False) == Published("tidy", 2, created=True, activated=False)
    assert (await shelf.publisher.current("tidy"))[0] == 1
    assert await shelf.publish(OTHER, activate=False) == Published("tidy", 2, created=False, activated=False)


async def test_an_older_version_is_made_active_again(shelf: Shelf) -> None:
    await shelf.publish(TIDY)
    await shelf.publish(OTHER)
    assert await shelf.publisher.activate("tidy", 1, principal=ANN)
    assert not await shelf.publisher.activate("tidy", 1, principal=ANN), "it is"
    assert ((await shelf.row()).version, (await shelf.row()).description) == (1, "Tidy up")
    for name, version, said in (("tidy", 3, "there are 1 to 2"), ("tidi", 1, "did you mean tidy")):
        with pytest.raises(NotFound, match=said):
            await shelf.publisher.activate(name, version, principal=ANN)


async def test_no_run_of_an_archived_workflow_starts(shelf: Shelf) -> None:
    """In no version; plans of runs under way are handed out as before."""
    await shelf.publish(TIDY)
    await shelf.publish(OTHER)
    await shelf.publisher.archive("tidy", "no use", principal=ANN)
    for version in (None, 1, 2, 7):
        with pytest.raises(WorkflowInactive, match=r"archived \(no use\)") as raised:
            await shelf.publisher.current("tidy", version)
        assert raised.value.status == 400
    assert (await shelf.publisher.plan("tidy", 1)).name == "tidy"
    assert await shelf.publisher.reactivate("tidy", principal=ANN) == 2
    assert (await shelf.publisher.current("tidy"))[0] == 2
    await shelf.publisher.archive("tidy", principal=ANN)
    assert await shelf.publisher.reactivate("tidy", 1, principal=ANN) == 1
    assert ((await shelf.row()).version, (await shelf.row()).description) == (1, "Tidy up")
    assert [name for name in await shelf.facts() if "arch" in name or "react" in name] == [
        *("workflow_archived", "workflow_reactivated", "workflow_archived", "workflow_reactivated")
    ]


async def test_what_does_not_follow_from_how_it_stands_is_refused(shelf: Shelf) -> None:
    """With how it stands, and what to do."""
    await shelf.drafts.create(TIDY, principal=ANN)
    with pytest.raises(WrongState, match="is a draft"):
        await shelf.publisher.archive("tidy", principal=ANN)
    with pytest.raises(WrongState, match="is not archived"):
        await shelf.publisher.reactivate("tidy", principal=ANN)
    await shelf.drafts.publish("tidy", principal=ANN)
    with pytest.raises(WrongState, match="is not archived: it is active"):
        await shelf.publisher.reactivate("tidy", principal=ANN)
    await shelf.publisher.archive("tidy", principal=ANN)
    for doing in (
        shelf.publisher.archive("tidy", principal=ANN),
        shelf.publisher.activate("tidy", 1, principal=ANN),
        shelf.publish(TIDY),
        shelf.publish(OTHER),
    ):
        with pytest.raises(WrongState, match="archived"):
            await doing
    with pytest.raises(NotFound, match="no version 9"):
        await shelf.publisher.reactivate("tidy", 9, principal=ANN)
    assert (await shelf.publish(OTHER, activate=False)).version == 2
    assert (await shelf.row()).status == "archived"
    with pytest.raises(NotFound, match="did you mean tidy"):
        await shelf.publisher.archive("tidi", principal=ANN)
    with pytest.raises(NotFound, match="did you mean tidy"):
        await shelf.publisher.reactivate("tidi", principal=ANN)


async def test_of_twenty_who_archive_at_once_one_does(shelf: Shelf) -> None:
    await shelf.publish(TIDY)
    done = await asyncio.gather(
        *(shelf.publisher.archive("tidy", principal=ANN) for _ in range(20)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in done) == ["NoneType"] + ["WrongState"] * 19
    assert (await shelf.facts()).count("workflow_archived") == 1


async def test_witnesses_are_told_of_what_changed_once_it_has(shelf: Shelf) -> None:
    """And of nothing where nothing changed."""
    told: list[tuple[str, Tenant]] = []
    shelf.publisher.shelf.witnesses.append(lambda name, tenant: told.append((name, tenant)))
    await shelf.publish(TIDY)
    await shelf.publish(TIDY)
    await shelf.publisher.archive("tidy", principal=ANN)
    with pytest.raises(WrongState):
        await shelf.publisher.archive("tidy", principal=ANN)
    assert told == [("tidy", "default")] * 2


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_file_does_not_undo_what_an_operator_did(shelf: Shelf, tmp_path: Path) -> None:
    """It is heard when it changes: one that has not changed makes no other version active."""
    await shelf.folder(tmp_path, TIDY)
    await shelf.folder(tmp_path, OTHER)
    await shelf.publisher.activate("tidy", 1, principal=ANN)
    before = len(await shelf.facts())
    found = await shelf.folder(tmp_path, OTHER)
    assert found.published == Published("tidy", 2, created=False, activated=False)
    assert [(fault.code, fault.severity) for fault in found.faults] == [("VERSION_NOT_ACTIVE", "warning")]
    assert ((await shelf.row()).version, len(await shelf.facts())) == (1, before)
    again = await shelf.folder(tmp_path, TIDY)
    assert (again.faults, (await shelf.row()).version) == ([], 1)
    assert (await shelf.folder(tmp_path, OTHER)).published == Published(
        "tidy", 2, created=False, activated=True
    ), "it has changed"


async def test_a_changed_file_of_an_archived_workflow_is_a_version_that_does_not_run(
    shelf: Shelf, tmp_path: Path
) -> None:
    """With a warning: nothing leaves the archive unless somebody takes it out."""
    await shelf.folder(tmp_path, TIDY)
    await shelf.publisher.archive("tidy", principal=ANN)
    found = await shelf.folder(tmp_path, OTHER)
    assert found.published == Published("tidy", 2, created=True, activated=False)
    assert [(fault.code, fault.severity) for fault in found.faults] == [("WORKFLOW_ARCHIVED", "warning")]
    row = await shelf.row()
    assert (row.status, row.version, row.versions) == ("archived", 1, 2)
    assert (await shelf.folder(tmp_path, OTHER)).faults == found.faults
    await shelf.publisher.reactivate("tidy", principal=ANN)
    assert (await shelf.row()).version == 1


# ── tampering ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_version_that_was_altered_is_found_and_not_run(tmp_path: Path) -> None:
    file = tmp_path / "callboard.db"
    async with opened(file) as shelf:
        await shelf.publish(TIDY)
        await shelf.publish(OTHER)
    with contextlib.closing(sqlite3.connect(file)) as db, db:
        db.execute("UPDATE workflow_events SET data = replace(data, 'Tidy all up', 'Take it all')")
    async with opened(file) as shelf:
        (found,) = [one for one in await shelf.store.check(full=True) if one.name == "versions"]
        assert (found.ok, found.detail) == (False, "not what was published: version 2 of tidy")
        with pytest.raises(VersionAltered, match="Version 2 of the workflow tidy"):
            await shelf.publisher.current("tidy")
        assert (await shelf.publisher.current("tidy", 1))[0] == 1


# ── what differs ─────────────────────────────────────────────────────────────────────────────────────────


async def test_versions_are_compared_in_one_spelling(shelf: Shelf) -> None:
    """What is spelled otherwise does not show, and what differs shows alone."""
    await shelf.publish(TIDY)
    await shelf.publish(
        '{"steps": [{"uses": "core.echo", "id": "b"}], "name": "tidy", "description": "Tidy up"}'
    )
    found = await shelf.desk.diff("tidy", workflows.DiffQuery())
    assert (found.old, found.new, found.same, found.as_written) == ("version 1", "version 2", False, False)
    assert found.diff.splitlines() == [
        *("--- tidy, version 1", "+++ tidy, version 2", "@@ -1,5 +1,5 @@"),
        *(
            " name: tidy",
            " description: Tidy up",
            " steps:",
            "-  - id: a",
            "+  - id: b",
            "     uses: core.echo",
        ),
    ]
    same = await shelf.desk.diff("tidy", workflows.DiffQuery(old="2", new="active"))
    assert (same.same, same.diff) == (True, "")


async def test_a_draft_is_compared_with_what_runs(shelf: Shelf) -> None:
    """As it was written, if it cannot be read as a workflow."""
    await shelf.publish(TIDY)
    await shelf.drafts.save("tidy", OTHER, 0, principal=ANN)
    found = await shelf.desk.diff("tidy", workflows.DiffQuery())
    assert (found.old, found.new) == ("version 1", "draft 2")
    assert [line for line in found.diff.splitlines() if line[0] in "+-"][2:] == [
        *("-description: Tidy up", "+description: Tidy all up")
    ]
    await shelf.drafts.save("tidy", "name: tidy\nsteps: 7\n", 2, principal=ANN)
    found = await shelf.desk.diff("tidy", workflows.DiffQuery())
    assert found.as_written
    assert "+steps: 7" in found.diff


async def test_what_there_is_not_cannot_be_compared(shelf: Shelf) -> None:
    await shelf.drafts.create(TIDY, principal=ANN)
    with pytest.raises(WrongState, match="No version of tidy is active"):
        await shelf.desk.diff("tidy", workflows.DiffQuery())
    await shelf.drafts.publish("tidy", principal=ANN)
    for query, said in (
        (workflows.DiffQuery(), "nothing before version 1"),
        (workflows.DiffQuery(old="3"), "has no version 3"),
        (workflows.DiffQuery(new="draft"), "has no draft"),
    ):
        with pytest.raises(NotFound, match=said):
            await shelf.desk.diff("tidy", query)


# ── the desk ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_desk_tells_of_drafts_and_of_what_is_archived(shelf: Shelf) -> None:
    await shelf.drafts.create(TIDY, principal=ANN)
    found = await shelf.desk.workflow("tidy", None)
    assert (found.status, found.version, found.definition, found.history) == ("draft", 0, None, [])
    assert found.draft is not None
    assert (found.draft.revision, found.draft.principal) == (1, "ann")
    with pytest.raises(NotFound, match="it is a draft"):
        await shelf.desk.workflow("tidy", 1)
    await shelf.desk.publish_draft("tidy", workflows.PublishDraftRequest(), ANN)
    state = await shelf.desk.archive("tidy", "no use", ANN)
    assert (state.status, state.version, state.draft) == ("archived", 1, 0)
    (row,) = (await shelf.desk.page(workflows.WorkflowsQuery())).data
    assert row.archived is not None
    assert (row.archived.by, row.archived.reason) == ("ann", "no use")
    found = await shelf.desk.workflow("tidy", None)
    assert found.archived == row.archived
    assert (found.status, found.version, found.text) == (
        *("archived", 1, "name: tidy\ndescription: Tidy up\nsteps:\n  - id: a\n    uses: core.echo\n"),
    )


async def test_lists_are_cut_into_pages(shelf: Shelf) -> None:
    for name in ("a", "b", "c"):
        await shelf.publish(TIDY.replace("tidy", name))
    for n in range(4):
        await shelf.publish(TIDY.replace("tidy", "a").replace("up", str(n)))
    page = await shelf.desk.page(workflows.WorkflowsQuery(limit=2))
    assert ([row.name for row in page.data], page.next) == (["a", "b"], "b")
    page = await shelf.desk.page(workflows.WorkflowsQuery(limit=2, after=page.next))
    assert ([row.name for row in page.data], page.next) == (["c"], None)
    versions = await shelf.desk.versions("a", workflows.VersionsQuery(limit=3))
    assert ([row.version for row in versions.data], versions.next) == ([5, 4, 3], 3)
    versions = await shelf.desk.versions("a", workflows.VersionsQuery(limit=3, before=versions.next))
    assert ([row.version for row in versions.data], versions.next) == ([2, 1], None)
    assert (await shelf.desk.version("a", 2)).definition["description"] == "Tidy 0"
    assert [row.name for row in (await shelf.desk.page(workflows.WorkflowsQuery(owner="global"))).data] == [
        *("a", "b", "c")
    ]
