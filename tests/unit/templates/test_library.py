"""The library: versions made by content, the active one, files that speak when they change, and tampering."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from callboard.errors import Conflict, DiskFull, NotFound, TemplateInvalid, VersionAltered
from callboard.facts.publishing import Published
from callboard.ids import PrincipalId, Version
from callboard.publish.library import Library
from callboard.publish.publisher import FromFile
from callboard.store.port import Store
from callboard.templates.publishing import template_stream
from callboard.templates.rows import TemplateRow
from tests.faulty import Disk, disk_error, faulty_store
from tests.unit.company.stage import stage
from tests.unit.templates.material import LETTERS, WATCH

ANN = PrincipalId("ann")
ONE = "name: note\ndescription: one\ndocuments: {d: {body: one}}\n"
TWO = ONE.replace("one", "two")


class Shelf:
    """A library, and the store behind it."""

    def __init__(self, store: Store, library: Library) -> None:
        self.store = store
        self.library = library

    async def publish(self, text: str) -> Published:
        return (await self.library.publish(text, principal=ANN))[0]

    async def row(self, name: str = "note") -> TemplateRow:
        row = await self.store.template(name)
        assert row is not None
        return row

    async def body(self, version: int | None = None) -> str:
        return (await self.library.documents("note", version)).render(None, {}).body

    async def folder(self, folder: Path, **texts: str) -> list[FromFile]:
        for name, text in texts.items():
            (folder / f"{name}.yaml").write_text(text)
        return await self.library.publish_folder(folder)

    async def facts(self) -> list[str]:
        events = await self.store.events(template_stream("note"), Version(0), 1_000)
        return [event.type for event in events]


@asynccontextmanager
async def opened(file: Path) -> AsyncIterator[Shelf]:
    async with stage(file) as here:
        yield Shelf(here.store, Library(here.store, here.company.services.journal))


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    async with opened(Path(":memory:")) as found:
        yield found


async def test_each_content_is_a_version(shelf: Shelf) -> None:
    assert await shelf.publish(ONE) == Published("note", 1, created=True, activated=True)
    assert await shelf.publish(TWO) == Published("note", 2, created=True, activated=True)
    assert await shelf.publish("# so\n" + TWO) == Published("note", 2, created=False, activated=False)
    assert (await shelf.body(), await shelf.body(1), await shelf.body(2)) == ("two", "one", "two")
    assert (await shelf.row()).description == "two"
    assert await shelf.store.rebuild() == []


async def test_the_content_of_an_older_version_makes_it_active_again(shelf: Shelf) -> None:
    await shelf.publish(ONE)
    await shelf.publish(TWO)
    assert await shelf.body() == "two"
    assert await shelf.publish(ONE) == Published("note", 1, created=False, activated=True)
    assert (await shelf.body(), (await shelf.row()).versions) == ("one", 2)
    assert await shelf.facts() == ["template_published", "template_published", "template_activated"]


async def test_a_faulty_template_changes_nothing(shelf: Shelf) -> None:
    await shelf.publish(ONE)
    with pytest.raises(TemplateInvalid):
        await shelf.publish(TWO.replace("body: two", "body: '{{ answers.x }}'"))
    assert (await shelf.body(), len(await shelf.facts())) == ("one", 1)


async def test_documents_do_not_become_a_workflow(shelf: Shelf) -> None:
    await shelf.publish(ONE)
    with pytest.raises(Conflict, match="note is a set of documents"):
        await shelf.publish("name: note\nworkflow: {steps: [{id: a, uses: core.echo}]}")


async def test_of_twenty_who_publish_the_same_at_once_one_makes_the_version(shelf: Shelf) -> None:
    done = await asyncio.gather(*(shelf.publish(ONE) for _ in range(20)))
    assert sorted(one.created for one in done) == [False] * 19 + [True]
    assert {one.version for one in done} == {1}
    done = await asyncio.gather(*(shelf.publish(ONE.replace("one", f"text {n}")) for n in range(20)))
    assert sorted(one.version for one in done) == list(range(2, 22))
    assert await shelf.store.rebuild() == []


async def test_what_is_not_there_is_refused(shelf: Shelf) -> None:
    await shelf.publish(ONE)
    for version in (0, -1, 2, 2**70):
        with pytest.raises(NotFound, match="has no version"):
            await shelf.library.documents("note", version)
    with pytest.raises(NotFound, match="did you mean note"):
        await shelf.library.documents("noet")
    with pytest.raises(NotFound):
        await shelf.library.instantiable("watch")


async def test_files_of_the_folder_are_published(shelf: Shelf, tmp_path: Path) -> None:
    found = await shelf.folder(tmp_path, letters=LETTERS, watch=WATCH)
    assert [one.published for one in found] == [
        Published("letters", 1, created=True, activated=True),
        Published("watch", 1, created=True, activated=True),
    ]
    assert [row.kind for row in await shelf.store.templates()] == ["document", "workflow"]
    assert await shelf.library.publish_folder(tmp_path / "none") == []


async def test_a_file_speaks_only_when_it_changes(shelf: Shelf, tmp_path: Path) -> None:
    """An operator went back to another version; a start with the same file leaves that alone."""
    await shelf.folder(tmp_path, note=ONE)
    await shelf.folder(tmp_path, note=TWO)
    await shelf.publish(ONE)
    (found,) = await shelf.folder(tmp_path, note=TWO)
    assert found.published == Published("note", 2, created=False, activated=False)
    assert await shelf.body() == "one"
    (found,) = await shelf.folder(tmp_path, note=TWO.replace("two", "three"))
    assert found.published == Published("note", 3, created=True, activated=True)
    assert await shelf.store.rebuild() == []


async def test_a_faulty_file_leaves_what_there_is_alone(shelf: Shelf, tmp_path: Path) -> None:
    await shelf.folder(tmp_path, note=ONE)
    (tmp_path / "broken.yaml").mkdir()
    found = await shelf.folder(tmp_path, note="name: note\ndocuments: {d: {}}", other=LETTERS, third=LETTERS)
    assert [(Path(one.file).name, one.published is not None) for one in found] == [
        ("note.yaml", False),
        ("other.yaml", True),
        ("third.yaml", False),
    ]
    assert [fault.code for one in found for fault in one.faults] == ["MISSING_FIELD", "NAME_TWICE"]
    assert await shelf.body() == "one"


async def test_a_version_that_was_altered_is_found_and_not_used(tmp_path: Path) -> None:
    file = tmp_path / "callboard.db"
    async with opened(file) as shelf:
        await shelf.publish(ONE)
        await shelf.publish(TWO)
    with contextlib.closing(sqlite3.connect(file)) as db, db:
        db.execute("UPDATE workflow_events SET data = replace(data, 'two', 'TWO')")
    async with opened(file) as shelf:
        (found,) = [one for one in await shelf.store.check(full=True) if one.name == "versions"]
        assert (found.ok, found.detail) == (False, "not what was published: version 2 of the template note")
        with pytest.raises(VersionAltered, match="Version 2 of the template note"):
            await shelf.body()
        assert await shelf.body(1) == "one"


async def test_many_versions_are_read_and_few_are_kept(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callboard.publish.library.KEPT", 2)
    for number in range(1, 6):
        await shelf.publish(ONE.replace("one", f"text {number}"))
    for number in (1, 2, 3, 1, 4, 5, 3, 1):
        assert await shelf.body(number) == f"text {number}"
    assert await shelf.body() == "text 5"


async def test_a_disk_that_fails_is_no_fault_of_a_file(tmp_path: Path) -> None:
    """The start or the reload is refused; else the file would be passed over until somebody changes it."""
    files, disk = tmp_path / "files", Disk()
    files.mkdir()
    (files / "note.yaml").write_text(ONE)
    async with stage(tmp_path / "db", store=faulty_store(tmp_path / "db", disk)) as here:
        library = Library(here.store, here.company.services.journal)
        disk.break_at("INSERT", error=disk_error(sqlite3.SQLITE_FULL, "SQLITE_FULL"))
        with pytest.raises(DiskFull):
            await library.publish_folder(files)
        disk.mend()
        (found,) = await library.publish_folder(files)
        assert found.published == Published("note", 1, created=True, activated=True)
