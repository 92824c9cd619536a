"""Publishing: from files to versions that never change, and from versions to the plans of runs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callboard import config
from callboard.app import Callboard
from callboard.checking import accept
from callboard.desk.workflows import WorkflowsDesk
from callboard.errors import Conflict, DiskFull, KindUnavailable, NotFound, WorkflowInvalid
from callboard.facts.publishing import Published
from callboard.ids import Tenant
from callboard.planning.catalogue import catalogue
from callboard.planning.step import Catalogue
from callboard.publish.publisher import Publisher
from callboard.store.port import Store
from callboard.store.runrows import VersionRow
from callboard.web.workflows import WorkflowsQuery
from tests.faulty import Disk, disk_error, faulty_store
from tests.unit.company.stage import stage

TIDY = """
name: tidy
description: Tidy up
steps:
  - id: a
    uses: core.echo
"""
HERE = Path(__file__)
FILES = [
    *(HERE.parent / "workflow" / "files").glob("*.yaml"),
    *(HERE.parents[2] / "config" / "workflows").glob("*.yaml"),
]


class Shelf:
    """A publisher, and the store behind it."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self.store = store
        self.publisher = publisher
        self.kinds: Catalogue = catalogue()

    async def publish(self, text: str) -> Published:
        return (await self.publisher.publish(text))[0]

    async def versions(self) -> list[tuple[int, bool]]:
        rows: list[VersionRow] = await self.store.versions("tidy", None, 100)
        return [(row.version, row.active) for row in rows]


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    async with stage(Path(":memory:")) as here:
        publisher = Publisher(here.store, here.company.services.journal, lambda: found.kinds)
        found = Shelf(here.store, publisher)
        yield found


async def test_content_makes_a_version_and_spelling_makes_none(shelf: Shelf) -> None:
    """White space, comments and the order of keys are spelling."""
    assert await shelf.publish(TIDY) == Published("tidy", 1, created=True, activated=True)
    same = '{"steps": [{"uses": "core.echo", "id": "a"}], "description": "Tidy up", "name": "tidy"}'
    for text in (TIDY, f"# a remark\n{TIDY}\n\n", same):
        assert await shelf.publish(text) == Published("tidy", 1, created=False, activated=False)
    assert (await shelf.publish(TIDY.replace("up", "all up"))).version == 2
    assert await shelf.versions() == [(2, True), (1, False)]


async def test_older_content_again_makes_its_version_the_active_one(shelf: Shelf) -> None:
    """Whoever publishes wants what he publishes to run, and no third version comes of it."""
    await shelf.publish(TIDY)
    await shelf.publish(TIDY.replace("up", "all up"))
    assert await shelf.publish(TIDY) == Published("tidy", 1, created=False, activated=True)
    assert await shelf.versions() == [(2, False), (1, True)]
    (row,) = await shelf.store.workflows()
    assert (row.version, row.description) == (1, "Tidy up")


async def test_fifty_at_once_make_one_version(shelf: Shelf) -> None:
    """And of fifty that differ, each has a number of its own."""
    made = await asyncio.gather(*(shelf.publish(TIDY) for _ in range(50)))
    assert {one.version for one in made} == {1}
    assert sum(one.created for one in made) == 1
    made = await asyncio.gather(*(shelf.publish(TIDY.replace("up", str(n))) for n in range(20)))
    assert {one.version for one in made} == set(range(2, 22))
    assert [active for _, active in await shelf.versions()].count(True) == 1


async def test_a_definition_with_errors_changes_nothing(shelf: Shelf) -> None:
    """All of them are told."""
    await shelf.publish(TIDY)
    with pytest.raises(WorkflowInvalid) as raised:
        await shelf.publish(TIDY.replace("core.echo", "core.ecko").replace("id: a", "id: A"))
    assert {fault["code"] for fault in raised.value.details["faults"]} >= {"USES_UNKNOWN"}
    assert await shelf.versions() == [(1, True)]


async def test_a_name_belongs_to_its_owner(shelf: Shelf) -> None:
    """A file of somebody else's bot does not become a version of it."""
    await shelf.publish(TIDY)
    with pytest.raises(Conflict, match=r"belongs to everybody.*the bot clerk"):
        await shelf.publish(TIDY + "owner: {bot: clerk}\n")
    assert await shelf.versions() == [(1, True)]
    await shelf.publish(TIDY.replace("name: tidy", "name: mine") + "owner: {bot: clerk}\n")
    assert [row.owner for row in await shelf.store.workflows()] == ["clerk", ""]


async def test_a_workflow_may_start_those_that_are_published(shelf: Shelf) -> None:
    """One that is not there is an error, until it is."""
    parent = "name: parent\nsteps:\n  - id: a\n    uses: workflow\n    with: {name: tidy}\n"
    with pytest.raises(WorkflowInvalid):
        await shelf.publish(parent)
    await shelf.publish(TIDY)
    assert (await shelf.publish(parent)).created


# ── the folder ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_folder_is_published_where_it_changed(shelf: Shelf, tmp_path: Path) -> None:
    """A faulty file leaves the version that runs alone, and the files beside it too."""
    (tmp_path / "tidy.yaml").write_text(TIDY)
    (tmp_path / "notes.txt").write_text("no workflow")
    (tmp_path / "deeper").mkdir()
    other = tmp_path / "deeper" / "other.json"
    other.write_text('{"name": "other", "steps": [{"id": "a", "uses": "core.echo"}]}')
    found = await shelf.publisher.publish_folder(tmp_path)
    assert sorted((one.published.name, one.published.created) for one in found if one.published) == [
        ("other", True),
        ("tidy", True),
    ]
    (tmp_path / "tidy.yaml").write_text(TIDY.replace("core.echo", "core.ecko"))
    other.write_text(other.read_text().replace('"a"', '"b"'))
    found = await shelf.publisher.publish_folder(tmp_path)
    told = {Path(one.file).name: one for one in found}
    assert told["tidy.yaml"].published is None
    assert [fault.code for fault in told["tidy.yaml"].faults] == ["USES_UNKNOWN"]
    assert told["other.json"].published == Published("other", 2, created=True, activated=True)
    assert await shelf.versions() == [(1, True)]
    assert await shelf.publisher.publish_folder(tmp_path / "nowhere") == []


async def test_a_disk_that_fails_is_no_fault_of_a_file(tmp_path: Path) -> None:
    """The start or the reload is refused; else the file would be passed over until somebody changes it."""
    files, disk = tmp_path / "files", Disk()
    files.mkdir()
    (files / "tidy.yaml").write_text(TIDY)
    async with stage(tmp_path / "db", store=faulty_store(tmp_path / "db", disk)) as here:
        publisher = Publisher(here.store, here.company.services.journal, catalogue)
        disk.break_at("INSERT", error=disk_error(sqlite3.SQLITE_FULL, "SQLITE_FULL"))
        with pytest.raises(DiskFull):
            await publisher.publish_folder(files)
        disk.mend()
        (found,) = await publisher.publish_folder(files)
        assert found.published == Published("tidy", 1, created=True, activated=True)


async def test_two_files_cannot_publish_one_workflow(shelf: Shelf, tmp_path: Path) -> None:
    """Else each start of the server would make the other one the active version."""
    (tmp_path / "a.yaml").write_text(TIDY)
    (tmp_path / "b.yaml").write_text(TIDY.replace("up", "all up"))
    first, second = await shelf.publisher.publish_folder(tmp_path)
    assert first.published is not None
    assert [fault.code for fault in second.faults] == ["NAME_TWICE"]
    assert await shelf.versions() == [(1, True)]


@pytest.mark.parametrize("publishes", [True, False])
async def test_start_up_publishes_what_changed_unless_it_is_told_not_to(
    tmp_path: Path, publishes: bool
) -> None:
    """And tells of it at the door."""
    folder = tmp_path / "config" / "workflows"
    folder.mkdir(parents=True)
    (folder / "tidy.yaml").write_text(TIDY)
    flags = {"door.port": 0, "workflows.auto_publish": publishes}
    for description in ("Tidy up", "Tidy all up"):
        (folder / "tidy.yaml").write_text(TIDY.replace("Tidy up", description))
        house = Callboard(config.load(tmp_path, flags=flags))
        await house.start()
        assert house._desk is not None
        listed = (await house._desk.workflows.page(WorkflowsQuery())).data
        await house.stop()
        assert [row.description for row in listed] == ([description] if publishes else [])


async def test_the_desk_tells_what_was_published(shelf: Shelf) -> None:
    """With the definition as it runs; what is not there is refused with what there is."""
    desk = WorkflowsDesk(shelf.store, shelf.publisher)
    await shelf.publish(TIDY)
    await shelf.publish(TIDY.replace("id: a", "id: b"))
    newest, first = await desk.workflow("tidy", None), await desk.workflow("tidy", 1)
    assert newest.definition is not None
    assert first.definition is not None
    assert [(one.version, one.active, one.definition["steps"][0]["id"]) for one in (newest, first)] == [  # type: ignore[index]  # see above
        (2, True, "b"),
        (1, False, "a"),
    ]
    assert [one.version for one in first.history] == [2, 1]
    for name, version, said in (("tidi", None, "did you mean tidy"), ("tidy", 3, "there are 1 to 2")):
        with pytest.raises(NotFound, match=said):
            await desk.workflow(name, version)


# ── plans ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_plan_is_compiled_once_from_what_the_log_holds(shelf: Shelf) -> None:
    """And is that of the file; each version has its own."""
    await shelf.publish(TIDY)
    await shelf.publish(TIDY.replace("id: a", "id: b"))
    one, two = [await shelf.publisher.plan("tidy", number) for number in (1, 2)]
    assert (list(one.flow.steps), list(two.flow.steps)) == (["a"], ["b"])
    assert one.checksum == accept(TIDY).plan.checksum
    assert await shelf.publisher.plan("tidy", 1) is one
    assert await shelf.publisher.current("tidy") == (2, two)


async def test_what_was_not_published_has_no_plan(shelf: Shelf) -> None:
    """Nor has another tenant's."""
    await shelf.publish(TIDY)
    for version in (0, 2, -1):
        with pytest.raises(NotFound):
            await shelf.publisher.plan("tidy", version)
    with pytest.raises(NotFound):
        await shelf.publisher.current("nothing")
    with pytest.raises(NotFound):
        await shelf.publisher.plan("tidy", 1, tenant=Tenant("theirs"))


async def test_a_version_whose_kind_of_step_is_gone_says_which(shelf: Shelf) -> None:
    """Nothing runs in its place."""
    await shelf.publish(TIDY)
    shelf.kinds = Catalogue({})
    with pytest.raises(KindUnavailable, match=r"tidy, version 1 .*core\.echo"):
        await shelf.publisher.plan("tidy", 1)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_the_text_in_the_log_is_the_definition(shelf: Shelf, file: Path) -> None:
    """Read again it has the same checksum, so it is the same version, and the same plan."""
    await shelf.publisher.publish_folder(file.parent)  # those that it starts are there, too
    accepted = accept(file.read_bytes())
    published = await shelf.publish(file.read_text("utf-8"))
    row = await shelf.store.version(published.name)
    assert row is not None
    assert accept(row.text).plan.checksum == accepted.plan.checksum == row.checksum
    assert not (await shelf.publish(row.text)).created
    plan = await shelf.publisher.plan(published.name, 1)
    assert plan.flow.order == accepted.plan.flow.order
    assert len(plan.flow.edges) == len(accepted.plan.flow.edges)
