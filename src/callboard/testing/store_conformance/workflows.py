"""The cases of workflows: versions that follow from facts and never change, and the one that runs."""

from __future__ import annotations

from callboard.errors import CallboardError
from callboard.publishing import VersionActivated, WorkflowPublished, workflow_stream
from callboard.runrows import WorkflowRow
from callboard.store import Store
from callboard.testing.store_conformance.board import LATER, THEIRS, Board, CasesOnABoard
from callboard.testing.store_conformance.material import NOON, new_turn, refused

TIDY = workflow_stream("tidy")


def published(version: int, name: str = "tidy") -> WorkflowPublished:
    """Say that a workflow has a version."""
    return WorkflowPublished(
        name, version, f"sum-{version}", f'{{"v":{version}}}', f"in words {version}", "ann"
    )


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
            WorkflowRow("other", 1, 1, "in words 1", "ann", "sum-1", NOON),
            WorkflowRow("tidy", 2, 2, "in words 2", "ann", "sum-2", LATER),
        ]
        row = await store.version("tidy")
        assert row is not None
        assert (row.version, row.text, row.published, row.published_at) == (2, '{"v":2}', newest, LATER)
        old = await store.version("tidy", 1)
        assert old is not None
        assert (old.text, old.active, old.checksum, row.active) == ('{"v":1}', False, "sum-1", True)
        assert [one.version for one in await store.versions("tidy", None, 10)] == [2, 1]
        assert await store.versions("tidy", 2, 10) == [old]
        assert await store.versions("tidy", None, 1) == [row]
        assert [await store.version("tidy", number) for number in (0, 3, -1, 2**80)] == [None] * 4
        assert await store.version_like("tidy", "sum-1") == 1
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
