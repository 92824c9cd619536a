"""The cases of a run's story: how far it had come at a position, what it started, whose fork it is."""

from __future__ import annotations

from callboard.facts.child_events import ChildStarted
from callboard.facts.events import (
    StepActivated,
    StepCompleted,
    WorkflowCompleted,
    WorkflowStarted,
    run_stream,
)
from callboard.facts.forked import Forked, TakenStep
from callboard.ids import Position, Version
from callboard.store.port import Retention, Store
from callboard.store.runrows import RunQuery
from callboard.testing.store_conformance.board import LATER, OURS, THEIRS, Board, CasesOnABoard
from callboard.testing.store_conformance.material import NOON


def started(run: str, forked: Forked | None = None) -> WorkflowStarted:
    """Say that there is a run."""
    return WorkflowStarted(run, "tidy", 1, NOON, principal="ann", starts=("a",), forked=forked)


class StoryCases(CasesOnABoard):
    """What every adapter must tell of one run."""

    async def test_a_stream_had_come_so_far_at_a_position(self, store: Store, board: Board) -> None:
        """At its own positions and between them; before its first it had not begun."""
        mine, other = run_stream("1"), run_stream("2")
        first = await board.append(mine, started("1"))
        between = await board.append(other, started("2"))
        await board.append(mine, started("1"), tenant=THEIRS)
        second = await board.append(mine, StepActivated("a", NOON, "core.echo"))
        wanted = (Position(first - 1), first, between, second, Position(second + 99))
        assert [await store.version_at(mine, at) for at in wanted] == [0, 1, 1, 2, 2]
        assert await store.version_at(mine, second, tenant=THEIRS) == 1
        assert await store.version_at(run_stream("none"), second) == 0

    async def test_events_are_read_up_to_so_many_bytes(self, store: Store, board: Board) -> None:
        """One at least, however large it is: who reads comes on."""
        done = [StepCompleted("a", NOON, output="x" * 1_000) for _ in range(5)]
        await board.append(run_stream("1"), started("1"), *done)

        async def count(size: int, limit: int = 10) -> int:
            return len(await store.events(run_stream("1"), Version(1), limit, size=size))

        assert [await count(size) for size in (1, 1_000, 1_500, 3_000, 1 << 20)] == [1, 1, 2, 3, 5]
        assert await count(1 << 20, limit=2) == 2

    async def test_a_run_has_descendants(self, store: Store, board: Board) -> None:
        """Each after its parent; of this run alone, and of this tenant; as many as are wanted."""
        for tenant in (OURS, THEIRS):
            for run, parent, step in (("b", "a", "x"), ("c", "b", "y"), ("d", "a", "z"), ("f", "e", "x")):
                if parent in {"a", "e"} and step == "x":
                    await board.append(run_stream(parent), started(parent), tenant=tenant)
                child = ChildStarted(step, NOON, run, "tidy")
                await board.append(run_stream(parent), child, tenant=tenant)
                await board.append(run_stream(run), started(run), tenant=tenant)
            if tenant is THEIRS:
                await board.append(run_stream("a"), ChildStarted("w", NOON, "g", "tidy"), tenant=tenant)
                await board.append(run_stream("g"), started("g"), tenant=tenant)
        found = await store.descendants("a", 10)
        told = [(one.run.id, one.run.parent, one.step) for one in found]
        assert told == [("b", "a", "x"), ("c", "b", "y"), ("d", "a", "z")]
        assert [one.run.id for one in await store.descendants("a", 2)] == ["b", "c"]
        assert [one.run.id for one in await store.descendants("b", 10)] == ["c"]
        assert await store.descendants("d", 10) == []
        assert await store.rebuild() == []

    async def test_a_fork_says_what_it_was_forked_from(self, store: Store, board: Board) -> None:
        """It outlives the other run, and rows that are made anew say it as well."""
        await board.append(run_stream("1"), started("1"), StepActivated("a", NOON, "core.echo"))
        await board.append(run_stream("1"), StepCompleted("a", NOON), WorkflowCompleted(NOON))
        taken = TakenStep("b", "completed", NOON, 1, 1, output={"b": 1})
        await board.append(run_stream("2"), started("2", Forked("1", "a", (taken,))))
        row = await store.run("2")
        assert row is not None
        assert row.forked_from == "1"
        told = {one.id: one.forked_from for one in await store.runs(RunQuery())}
        assert told == {"1": None, "2": "1"}
        assert await store.attempts("2", Position(0), 10) == []
        assert await store.rebuild() == []
        await store.prune(Retention(streams_ended_before=LATER))
        assert [one.id for one in await store.runs(RunQuery())] == ["2"]
