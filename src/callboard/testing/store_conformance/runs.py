"""The cases of runs: rows that follow from a run's facts, and what start-up and people read of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from callboard.errors import CallboardError
from callboard.facts.child_events import ChildStarted, Origin
from callboard.facts.crossings import Crossing
from callboard.facts.events import (
    ApprovalAsked,
    AttemptDue,
    AttemptRetried,
    AttemptStarted,
    Cancelled,
    Interrupted,
    Reopened,
    StepActivated,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepWaiting,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowCrashed,
    WorkflowFailed,
    WorkflowPaused,
    WorkflowRecovered,
    WorkflowResumed,
    WorkflowStarted,
    run_stream,
)
from callboard.ids import Position, Version
from callboard.outcome import Failure, Wait
from callboard.store.changes import AnswerWait, KeepKey, OpenWait, RecordDecision, Ref
from callboard.store.port import Retention, Store
from callboard.store.runrows import RunQuery, UnendedRun
from callboard.testing.store_conformance.board import (
    ALL_THAT_IS_OLD,
    LATER,
    OURS,
    THEIRS,
    Board,
    CasesOnABoard,
    new_wait,
)
from callboard.testing.store_conformance.material import NOON, commit, new_turn, refused

WRONG = Failure("FAILED", "It failed.")
OPENS_B = (Crossing(0, "b", opens=True),)


def started(run: str, workflow: str = "tidy", **more: object) -> WorkflowStarted:
    """Say that there is a run of two steps."""
    return WorkflowStarted(run, workflow, 1, NOON, principal="ann", starts=("a",), **more)  # type: ignore[arg-type]


def part(run: str, parent: str) -> WorkflowStarted:
    """Return the beginning of an item, under a step that stands under another."""
    origin = Origin(parent, "b", path=("a", "b"), since=3, index=4)
    return msgspec.structs.replace(started(run), origin=origin)


def begun(step: str = "a", **more: object) -> StepActivated:
    """Say that a step begins."""
    return StepActivated(step, NOON, "core.echo", input={"of": step}, **more)  # type: ignore[arg-type]


DONE = WorkflowCompleted(LATER, {"all": "well"})


class RunCases(CasesOnABoard):
    """Runs, their attempts, and what was decided on the way."""

    # ── the run ──────────────────────────────────────────────────────────────────────────────────────────

    async def test_a_run_is_listed_from_its_first_fact_on(self, store: Store, board: Board) -> None:
        """As what it was started, and nobody else's."""
        at = await board.append(run_stream("1"), started("1"))
        row = await store.run("1")
        assert row is not None
        assert (row.id, row.workflow, row.version, row.status, row.principal) == (
            "1",
            "tidy",
            1,
            "pending",
            "ann",
        )
        assert (row.started, row.changed, row.started_at, row.ended_at) == (at, at, NOON, None)
        assert await store.runs(RunQuery()) == [row]
        assert await store.run("1", tenant=THEIRS) is None
        assert await store.runs(RunQuery(), tenant=THEIRS) == []

    async def test_the_state_of_a_run_follows_its_facts(self, store: Store, board: Board) -> None:
        """Each way in which it can go, and what is said of why."""
        told = []
        facts: Sequence[msgspec.Struct] = (
            started("1"),
            begun(),
            WorkflowPaused("operator", NOON),
            WorkflowResumed(NOON),
            WorkflowCrashed(NOON, "three deaths"),
            WorkflowResumed(NOON),
            WorkflowFailed(LATER, WRONG),
            Reopened(LATER, ("a",), ("a",)),
            WorkflowCancelled(LATER, "enough"),
        )
        for fact in facts:
            await board.append(run_stream("1"), fact)
            row = await store.run("1")
            assert row is not None
            told.append((row.status, row.paused_by or row.reason or (row.error and row.error.code) or ""))
            assert (row.ended_at is not None) == (row.status in {"completed", "failed", "cancelled"})
        assert told == [
            ("pending", ""),
            ("running", ""),
            ("paused", "operator"),
            ("running", ""),
            ("crashed", "three deaths"),
            ("running", ""),
            ("failed", "FAILED"),
            ("running", ""),
            ("cancelled", "enough"),
        ]
        assert await store.rebuild() == []

    async def test_a_turn_may_hold_a_whole_run(self, store: Store, board: Board) -> None:
        """What begins and ends in one append has the rows of what took its time."""
        await board.append(
            run_stream("1"), started("1"), begun(), StepCompleted("a", LATER, 1, edges=OPENS_B), begun("b"),
            StepFailed("b", LATER, WRONG, attempt=1), DONE,
        )  # fmt: skip
        row = await store.run("1")
        assert row is not None
        assert (row.status, row.ended_at) == ("completed", LATER)
        attempts = await store.attempts("1", Position(0), 10)
        assert [(one.step, one.status) for one in attempts] == [("a", "completed"), ("b", "failed")]
        assert await store.rebuild() == []
        assert await store.attempts("1", Position(0), 10) == attempts

    async def test_runs_are_found_by_what_they_are(self, store: Store, board: Board) -> None:
        """Workflow, status, time and parent narrow the list; pages go on where the last one ended."""
        for number in range(6):
            first = started(str(number), "even" if number % 2 == 0 else "odd")
            when = NOON + timedelta(minutes=number)
            await board.append(run_stream(str(number)), msgspec.structs.replace(first, at=when))
        await board.append(run_stream("2"), begun(), DONE)
        await board.append(run_stream("0"), begun(), ChildStarted("a", NOON, "4", "even"))
        found = {
            "even": RunQuery(workflow="even"),
            "completed": RunQuery(status="completed"),
            "late": RunQuery(since=NOON + timedelta(minutes=4)),
            "child": RunQuery(parent="0"),
            "both": RunQuery(workflow="even", status="pending"),
            "newest": RunQuery(newest_first=True, limit=2),
        }
        ids = {name: [row.id for row in await store.runs(query)] for name, query in found.items()}
        assert ids == {
            "even": ["0", "2", "4"],
            "completed": ["2"],
            "late": ["4", "5"],
            "child": ["4"],
            "both": ["4"],
            "newest": ["5", "4"],
        }
        child = await store.run("4")
        assert child is not None
        assert child.parent == "0"
        for newest_first in (False, True):
            query = RunQuery(limit=4, newest_first=newest_first)
            page = await store.runs(query)
            rest = await store.runs(msgspec.structs.replace(query, after=page[-1].started))
            wanted = [str(number) for number in range(6)]
            assert [row.id for row in (*page, *rest)] == (wanted[::-1] if newest_first else wanted)

    async def test_a_step_without_a_run_is_refused(self, store: Store) -> None:
        """A history that does not begin with its beginning gets no rows, and so no facts."""
        turn = new_turn()
        turn.append(run_stream("1"), "run", [begun(), AttemptDue("a", NOON)], expected=None)
        assert isinstance(await refused(store, turn), CallboardError)
        assert await store.run("1") is None

    # ── attempts ─────────────────────────────────────────────────────────────────────────────────────────

    async def test_every_attempt_is_told_with_what_it_was_given_and_came_to(
        self, store: Store, board: Board
    ) -> None:
        """The input of a further attempt is the first one's, unless it was rendered anew."""
        stream = run_stream("1")
        facts: Sequence[Sequence[msgspec.Struct]] = (
            [started("1")],
            [begun()],
            [AttemptRetried("a", LATER, WRONG, LATER)],
            [AttemptDue("a", LATER), AttemptStarted("a", LATER, 2)],
            [AttemptRetried("a", LATER, WRONG, LATER, attempt=2)],
            [AttemptDue("a", LATER), AttemptStarted("a", LATER, 3, rendered=True, input="anew")],
            [StepCompleted("a", LATER, {"x": 1}, attempt=3, edges=OPENS_B, bytes=7), begun("b")],
            [ApprovalAsked("b", LATER, Wait("approval"))],
        )
        for portion in facts:
            await board.append(stream, *portion)
        rows = await store.attempts("1", Position(0), 10)
        assert [(one.step, one.attempt, one.status, one.input, one.output, one.error) for one in rows] == [
            ("a", 1, "failed", {"of": "a"}, None, WRONG),
            ("a", 2, "failed", {"of": "a"}, None, WRONG),
            ("a", 3, "completed", "anew", {"x": 1}, None),
            ("b", 1, "waiting_approval", {"of": "b"}, None, None),
        ]
        assert [(one.started_at, one.ended_at) for one in rows] == [
            *((NOON, LATER), (LATER, LATER), (LATER, LATER), (NOON, None))
        ]
        assert rows[2].bytes == 7
        paged = [await store.attempts("1", rows[n].started, 1) for n in range(4)]
        assert [*rows[1:]] == [one for page in paged for one in page]
        assert await store.attempts("1", Position(0), 10, tenant=THEIRS) == []
        assert await store.rebuild() == []
        assert await store.attempts("1", Position(0), 10) == rows

    async def test_what_is_cut_off_is_told_as_such(self, store: Store, board: Board) -> None:
        """By a crash, by a cancel, or because it could not even begin."""
        await board.append(run_stream("1"), started("1"), begun(), begun("b"), begun("c"))
        recovered = WorkflowRecovered(LATER, (Interrupted("a", "retry"), Interrupted("b", "fail")))
        await board.append(run_stream("1"), recovered, StepFailed("b", LATER, WRONG, attempt=1))
        await board.append(run_stream("1"), StepCancelled(LATER, (Cancelled("c"),), "no"))
        await board.append(run_stream("1"), StepFailed("d", LATER, WRONG))
        rows = await store.attempts("1", Position(0), 10)
        assert [(one.step, one.attempt, one.status, one.error) for one in rows] == [
            ("a", 1, "interrupted", None),
            ("b", 1, "interrupted", None),
            ("c", 1, "cancelled", None),
            ("d", 0, "failed", WRONG),
        ]

    # ── decisions ────────────────────────────────────────────────────────────────────────────────────────

    async def test_decisions_are_kept_with_the_event_that_they_belong_to(
        self, store: Store, board: Board
    ) -> None:
        """In their order, and a page never ends within an event."""
        await board.append(run_stream("1"), started("1"), begun())
        for step, many in (("a", 3), ("b", 2)):
            turn = new_turn()
            done = turn.append(run_stream("1"), "run", [StepCompleted(step, NOON)], expected=None)
            for number in range(many):
                words = ("edge", step, f"to-{number}", "x > 1", number == 0, "It is so.")
                turn.change(RecordDecision("1", done[0], number, *words))
            await commit(store, turn)
        rows = await store.decisions("1", Position(0), 10)
        assert [(one.source, one.to, one.result) for one in rows] == [
            *(("a", "to-0", True), ("a", "to-1", False), ("a", "to-2", False)),
            *(("b", "to-0", True), ("b", "to-1", False)),
        ]
        assert (rows[0].about, rows[0].expression, rows[0].reason, rows[0].at) == (
            "edge",
            "x > 1",
            "It is so.",
            NOON,
        )
        assert await store.decisions("1", Position(0), 1) == rows[:3]
        assert await store.decisions("1", rows[0].position, 10) == rows[3:]
        assert await store.decisions("1", Position(0), 10, tenant=THEIRS) == []
        assert await store.rebuild() == []
        assert await store.decisions("1", Position(0), 10) == rows

    async def test_a_decision_about_nothing_is_refused(self, store: Store) -> None:
        """It belongs to an event, and to one that is there."""
        turn = new_turn()
        turn.act("looked", "at it")
        turn.change(RecordDecision("1", Ref(0), 0, "edge", "a", "b", "", result=True, reason=""))
        assert isinstance(await refused(store, turn), CallboardError)

    # ── what start-up reads ──────────────────────────────────────────────────────────────────────────────

    async def test_start_up_learns_which_runs_must_go_on(self, store: Store, board: Board) -> None:
        """An attempt in flight, a ready step, an answer that is there; a run that only waits is not named."""
        waits = {name: new_wait() for name in ("waits", "answered")}
        for name in ("new", "flies", "waits", "answered", "over"):
            await board.append(run_stream(name), started(name))
        for name in ("flies", "waits", "answered", "over"):
            await board.append(run_stream(name), begun())
        for name, wait in waits.items():
            await board.append(run_stream(name), StepWaiting("a", NOON, Wait("signal", key="go")))
            await board.change(OpenWait(wait, run_stream(name), "signal", "go"))
        await board.change(AnswerWait(waits["answered"], Position(1)))
        await board.append(run_stream("over"), StepCompleted("a", NOON), DONE)
        await board.append(run_stream("new"), started("new"), tenant=THEIRS)

        def told(rows: list[UnendedRun]) -> list[tuple[str, str, bool, bool, bool]]:
            return [(one.tenant, one.id, one.in_flight, one.ready, one.answered) for one in rows]

        stirring = [
            (OURS, "new", False, True, False),
            (OURS, "flies", True, False, False),
            (OURS, "answered", False, False, True),
            (THEIRS, "new", False, True, False),
        ]
        assert told(await store.unended(Position(0), 10, stirring=True)) == stirring
        every = await store.unended(Position(0), 10)
        assert told(every) == [*stirring[:2], (OURS, "waits", False, False, False), *stirring[2:]]
        for stir in (False, True):
            page = await store.unended(Position(0), 2, stirring=stir)
            rest = await store.unended(page[-1].started, 10, stirring=stir)
            assert [*page, *rest] == await store.unended(Position(0), 10, stirring=stir)

    async def test_the_doctor_finds_a_run_that_nothing_will_wake(self, store: Store, board: Board) -> None:
        """One whose wait was lost. One that a person paused, or that was left crashed, waits for a person."""
        for name, last in (
            ("paused", WorkflowPaused("operator", NOON)),
            ("crashed", WorkflowCrashed(NOON, "x")),
        ):
            await board.append(
                run_stream(name), started(name), begun(), StepWaiting("a", NOON, Wait("signal")), last
            )

        async def runs_are_well() -> bool:
            return {one.name: one.ok for one in await store.check(full=False)}["runs"]

        await board.append(run_stream("1"), started("1"))
        assert await runs_are_well()
        await board.append(run_stream("1"), begun())
        assert await runs_are_well()
        await board.append(run_stream("1"), StepWaiting("a", NOON, Wait("signal", key="go")))
        assert not await runs_are_well()
        await board.change(OpenWait(new_wait(), run_stream("1"), "signal", "go"))
        assert await runs_are_well()

    async def test_a_run_that_another_one_waits_for_keeps_it_going(self, store: Store, board: Board) -> None:
        """As long as it has not ended; it is looked after by itself."""
        waiting = StepWaiting("a", NOON, Wait("child"))
        await board.append(
            run_stream("1"), started("1"), begun(), waiting, ChildStarted("a", NOON, "2", "tidy")
        )
        await board.append(run_stream("2"), started("2"))
        assert all(one.ok for one in await store.check(full=False))
        await board.append(run_stream("2"), begun(), StepCompleted("a", NOON), DONE)
        assert [one.name for one in await store.check(full=False) if not one.ok] == ["runs"]

    async def test_a_part_of_a_run_is_found_only_with_it(self, store: Store, board: Board) -> None:
        """An item or a round is no run of its workflow to whoever lists these; a child of a workflow is."""
        await board.append(run_stream("1"), started("1"), begun(), ChildStarted("a", NOON, "2", "tidy"))
        await board.append(run_stream("2"), part("2", "1"))
        await board.append(run_stream("3"), started("3"))
        assert [row.id for row in await store.runs(RunQuery(workflow="tidy"))] == ["1", "3"]
        (found,) = await store.runs(RunQuery(parent="1"))
        assert (found.id, found.path, found.item) == ("2", "a/b", 4)
        assert await store.run("2") == found
        assert await store.rebuild() == []

    # ── retention ────────────────────────────────────────────────────────────────────────────────────────

    async def test_an_old_run_stays_while_a_part_of_it_goes_on(self, store: Store, board: Board) -> None:
        """What is around it is read there; a child of a workflow needs nothing of its parent."""
        for run in ("1", "2"):
            child = ChildStarted("a", NOON, f"{run}-child", "tidy")
            await board.append(run_stream(run), started(run), begun(), child, WorkflowFailed(NOON, WRONG))
        await board.append(run_stream("1-child"), part("1-child", "1"))
        await board.append(run_stream("2-child"), started("2-child"))
        assert (await board.store.prune(ALL_THAT_IS_OLD)).streams == 1
        assert [row.id for row in await store.runs(RunQuery())] == ["1", "2-child"]

    async def test_an_old_run_goes_whole(self, store: Store, board: Board) -> None:
        """With its attempts, its decisions and its place on the list; another's of the same name stay."""
        stream = run_stream("old")
        for tenant in (OURS, THEIRS):
            await board.append(stream, started("old"), begun(), begun("b"), tenant=tenant)
            done = (StepCompleted("a", NOON), ChildStarted("b", NOON, "kid", "tidy"))
            at = await board.append(stream, *done, tenant=tenant)
            decided = RecordDecision("old", at, 0, "edge", "a", "b", "", result=True, reason="")
            await board.change(decided, tenant=tenant)
        await board.append(run_stream("kid"), started("kid"), begun())
        await board.append(stream, WorkflowFailed(NOON, WRONG))
        done_ = await board.store.prune(ALL_THAT_IS_OLD)
        assert (done_.streams, done_.events) == (1, 6)
        assert await store.run("old") is None
        assert await store.attempts("old", Position(0), 10) == []
        assert await store.decisions("old", Position(0), 10) == []
        assert [row.id for row in await store.runs(RunQuery())] == ["kid"]
        assert len(await store.attempts("old", Position(0), 10, tenant=THEIRS)) == 2
        assert len(await store.decisions("old", Position(0), 10, tenant=THEIRS)) == 1
        assert await store.rebuild() == []
        assert all(one.ok for one in await store.check(full=True) if one.name in {"integrity", "projections"})

    async def test_the_key_of_a_run_outlives_it(self, store: Store) -> None:
        """However long it takes: whoever repeats the request is told of the run that there is."""
        for name in ("goes on", "over"):
            turn = new_turn()
            (first,) = turn.append(run_stream(name), "run", [started(name)], expected=Version(0))
            turn.change(KeepKey("run:tidy", name, "digest", first))
            await commit(store, turn)
        end = new_turn()
        end.append(run_stream("over"), "run", [WorkflowCancelled(NOON)], expected=Version(1))
        await commit(store, end)
        await store.prune(Retention())
        assert await store.key("run:tidy", "goes on") is not None
        assert await store.key("run:tidy", "over") is None
