"""The cases of workflows: versions that follow from facts and never change, and the one that runs."""

from __future__ import annotations

import hashlib

from callboard.errors import CallboardError
from callboard.facts.publishing import (
    DraftDropped,
    DraftSaved,
    FileTaken,
    VersionActivated,
    WorkflowArchived,
    WorkflowPublished,
    WorkflowReactivated,
    workflow_stream,
)
from callboard.ids import LOCAL_USER
from callboard.store.port import Store
from callboard.store.runrows import Archived, DraftRow, WorkflowQuery, WorkflowRow
from callboard.testing.store_conformance.board import LATER, THEIRS, Board, CasesOnABoard
from callboard.testing.store_conformance.material import NOON, new_turn, refused

TIDY = workflow_stream("tidy")


def published(version: int, name: str = "tidy", **more: bool) -> WorkflowPublished:
    """Say that a workflow has a version."""
    text = f'{{"v":{version}}}'
    return WorkflowPublished(name, version, sum_of(version), text, f"in words {version}", "ann", **more)


def sum_of(version: int) -> str:
    """Return the checksum of a version."""
    return hashlib.sha256(f'{{"v":{version}}}'.encode()).hexdigest()


class WorkflowCases(CasesOnABoard):
    """Workflows and their versions."""

    async def test_a_workflow_runs_in_the_version_that_was_published_last(
        self, store: Store, board: Board
    ) -> None:
        """Every version stays what it was, with its text."""
        await board.append(TIDY, published(1))
        newest = await board.append(TIDY, published(2), at=LATER)
        await board.append(workflow_stream("other"), published(1, "other"))
        assert await store.workflows() == [
            WorkflowRow("other", 1, 1, "in words 1", "ann", sum_of(1), NOON),
            WorkflowRow("tidy", 2, 2, "in words 2", "ann", sum_of(2), LATER),
        ]
        row = await store.version("tidy")
        assert row is not None
        assert (row.version, row.text, row.published, row.published_at) == (2, '{"v":2}', newest, LATER)
        old = await store.version("tidy", 1)
        assert old is not None
        assert (old.text, old.active, old.checksum, row.active) == ('{"v":1}', False, sum_of(1), True)
        assert [one.version for one in await store.versions("tidy", None, 10)] == [2, 1]
        assert await store.versions("tidy", 2, 10) == [old]
        assert await store.versions("tidy", None, 1) == [row]
        assert [await store.version("tidy", number) for number in (0, 3, -1, 2**80)] == [None] * 4
        assert await store.version_like("tidy", sum_of(1)) == 1
        assert await store.version_like("tidy", "sum-9") is None
        assert await store.rebuild() == []
        assert await store.version("tidy") == row

    async def test_an_older_version_can_be_made_the_active_one(self, store: Store, board: Board) -> None:
        """It is the one that runs from there on, and no new version."""
        await board.append(TIDY, published(1), published(2))
        await board.append(TIDY, VersionActivated("tidy", 1, "in words 1", "ann"))
        (row,) = await store.workflows()
        assert (row.version, row.versions, row.description) == (1, 2, "in words 1")
        assert [one.active for one in await store.versions("tidy", None, 10)] == [False, True]
        assert await store.rebuild() == []

    async def test_a_version_is_published_once(self, store: Store, board: Board) -> None:
        """Neither the number nor the content comes a second time."""
        await board.append(TIDY, published(1))
        again = new_turn()
        again.append(TIDY, "workflow", [published(1)], expected=None)
        assert isinstance(await refused(store, again), CallboardError)

    async def test_a_workflow_belongs_to_its_tenant(self, store: Store, board: Board) -> None:
        """Another one's of the same name is another workflow."""
        await board.append(TIDY, published(1), published(2))
        await board.append(TIDY, published(1), tenant=THEIRS)
        assert [row.version for row in await store.workflows(tenant=THEIRS)] == [1]
        assert await store.version("tidy", 2, tenant=THEIRS) is None
        assert [row.version for row in await store.workflows()] == [2]

    # ── drafts, and what does not run ────────────────────────────────────────────────────────────────────

    async def test_a_draft_is_a_workflow_until_it_is_dropped(self, store: Store, board: Board) -> None:
        """Its revision is the version of the stream at which it was saved: none ever comes back."""
        await board.append(TIDY, DraftSaved("tidy", "first", "in words", "ann"))
        saved = await board.append(TIDY, DraftSaved("tidy", "second", "in other words"), at=LATER)
        row = WorkflowRow("tidy", 0, 0, "in other words", "", "", None, "draft", 2)
        assert await store.workflow("tidy") == row
        assert await store.workflows() == [row]
        draft = await store.draft("tidy")
        assert draft is not None
        assert draft == DraftRow("tidy", 2, "second", saved, LATER, draft.principal)
        assert (await store.version("tidy"), await store.versions("tidy", None, 9)) == (None, [])
        await board.append(TIDY, DraftDropped("tidy"))
        assert (await store.workflow("tidy"), await store.draft("tidy")) == (None, None)
        await board.append(TIDY, DraftSaved("tidy", "third"))
        assert (await store.workflows())[0].draft == 4
        assert await store.workflow("tidy", tenant=THEIRS) is None
        assert await store.draft("tidy", tenant=THEIRS) is None
        assert await store.rebuild() == []

    async def test_a_draft_stands_beside_the_versions(self, store: Store, board: Board) -> None:
        """What it says of itself changes nothing of what runs, and dropping it neither."""
        await board.append(TIDY, published(1))
        await board.append(TIDY, DraftSaved("tidy", "next", "in new words", "ben"))
        runs = WorkflowRow("tidy", 1, 1, "in words 1", "ann", sum_of(1), NOON, "active", 2)
        assert await store.workflow("tidy") == runs
        await board.append(TIDY, published(2), DraftDropped("tidy", 2))
        row = await store.workflow("tidy")
        assert row is not None
        assert (row.version, row.draft, row.status) == (2, 0, "active")
        assert await store.draft("tidy") is None
        assert await store.rebuild() == []

    async def test_a_version_can_wait_before_it_runs(self, store: Store, board: Board) -> None:
        """The first one too: there is no version that runs until one is made so."""
        await board.append(TIDY, DraftSaved("tidy", "x"))
        await board.append(TIDY, published(1, active=False), DraftDropped("tidy", 1))
        row = await store.workflow("tidy")
        assert row is not None
        assert (row.status, row.version, row.versions, row.published_at) == ("draft", 0, 1, None)
        assert [one.active for one in await store.versions("tidy", None, 9)] == [False]
        assert await store.version("tidy") is None
        await board.append(TIDY, VersionActivated("tidy", 1, "in words 1", "ann"))
        await board.append(TIDY, published(2, active=False))
        assert [one.active for one in await store.versions("tidy", None, 9)] == [False, True]
        assert await store.rebuild() == []

    async def test_an_archived_workflow_keeps_its_versions(self, store: Store, board: Board) -> None:
        """And goes on in the one that it is given when it is reactivated."""
        await board.append(TIDY, published(1), published(2))
        await board.append(TIDY, WorkflowArchived("tidy", "no use"), at=LATER)
        row = await store.workflow("tidy")
        assert row is not None
        assert (row.status, row.version, row.versions) == ("archived", 2, 2)
        assert row.archived == Archived(LATER, LOCAL_USER, "no use")
        await board.append(TIDY, published(3, active=False))
        row = await store.workflow("tidy")
        assert row is not None
        assert (row.status, row.version, row.versions) == ("archived", 2, 3)
        await board.append(TIDY, WorkflowReactivated("tidy", 1, "in words 1", "ann"))
        row = await store.workflow("tidy")
        assert row is not None
        assert (row.status, row.version, row.description) == ("active", 1, "in words 1")
        assert row.archived is None
        assert await store.rebuild() == []

    async def test_what_a_file_was_is_kept(self, store: Store, board: Board) -> None:
        """Whatever runs by then."""
        await board.append(TIDY, published(1), FileTaken("tidy", 1))
        await board.append(TIDY, published(2))
        (row,) = await store.workflows()
        assert (row.version, row.filed) == (2, 1)
        assert await store.rebuild() == []

    async def test_workflows_are_found_by_what_they_are(self, store: Store, board: Board) -> None:
        """By owner, state, a part of the name or of the description; in pages, by name."""
        for name in ("alpha", "beta", "gamma"):
            await board.append(workflow_stream(name), published(1, name))
        await board.append(workflow_stream("beta"), WorkflowArchived("beta"))
        await board.append(workflow_stream("delta"), DraftSaved("delta", "x", "Pay 100%_of it"))
        for query, names in (
            (WorkflowQuery(), ["alpha", "beta", "delta", "gamma"]),
            (WorkflowQuery(owner="ann"), ["alpha", "beta", "gamma"]),
            (WorkflowQuery(owner=""), ["delta"]),
            (WorkflowQuery(owner="ben"), []),
            (WorkflowQuery(status="archived"), ["beta"]),
            (WorkflowQuery(status="draft"), ["delta"]),
            (WorkflowQuery(status="active"), ["alpha", "gamma"]),
            (WorkflowQuery(search="TA"), ["beta", "delta"]),
            (WorkflowQuery(search="in WORDS"), ["alpha", "beta", "gamma"]),
            (WorkflowQuery(search="%_"), ["delta"]),
            (WorkflowQuery(search="words", status="active", owner="ann"), ["alpha", "gamma"]),
            (WorkflowQuery(limit=2), ["alpha", "beta"]),
            (WorkflowQuery(after="beta", limit=1), ["delta"]),
            (WorkflowQuery(after="gamma"), []),
        ):
            assert [row.name for row in await store.workflows(query)] == names, query
        assert await store.workflows(WorkflowQuery(), tenant=THEIRS) == []

    async def test_versions_are_what_was_published(self, store: Store, board: Board) -> None:
        """A full check compares each with its checksum."""
        await board.append(TIDY, published(1), published(2))
        (found,) = [one for one in await store.check(full=True) if one.name == "versions"]
        assert found.ok, found.detail
