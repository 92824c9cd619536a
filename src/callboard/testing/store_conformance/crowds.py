"""The cases of runs that are counted under a concurrency key, and of links to what lives elsewhere."""

from __future__ import annotations

from callboard.errors import ConstraintViolated
from callboard.facts.crowd_events import Crowded, WorkflowAdmitted
from callboard.facts.events import WorkflowCancelled, WorkflowFailed, run_stream
from callboard.ids import Position, SystemIds, WaitId
from callboard.outcome import Failure
from callboard.store.changes import AnswerWait, KeepLink, OpenWait, Ref
from callboard.store.port import Store
from callboard.store.runrows import CountedRun, LinkQuery
from callboard.store.turn import Turn
from callboard.testing.store_conformance.board import LATER, THEIRS, Board, CasesOnABoard
from callboard.testing.store_conformance.material import NOON, changing, commit, new_turn, refused
from callboard.testing.store_conformance.runs import started


def made(run: str, how: str = "created", id_: str = "7", number: int = 0) -> KeepLink:
    """Say that a run has to do with an issue."""
    return KeepLink(run, "tidy", "a", "jira", "issue", id_, how, Ref(0), number)


def telling(*links: KeepLink) -> Turn:
    """Return a turn that says so, with a fact to refer to."""
    turn = new_turn()
    turn.act("looked", "at it")
    for link in links:
        turn.change(link)
    return turn


class CrowdCases(CasesOnABoard):
    """Who is counted, and who made what."""

    async def test_a_run_is_counted_under_its_key_until_it_has_ended(
        self, store: Store, board: Board
    ) -> None:
        """Queued until it is admitted or its turn was given; gone with its end, and back when reopened."""
        one, two, three = [
            await board.append(run_stream(run), started(run, crowded=Crowded("k", 2, queued=queued)))
            for run, queued in (("one", False), ("two", True), ("three", True))
        ]
        refusal = Crowded("k", 2, refused=Failure("NO", "No."))
        await board.append(run_stream("no"), started("no", crowded=refusal))
        await board.append(run_stream("free"), started("free"))
        wait = WaitId(SystemIds().new())
        await commit(store, changing(OpenWait(wait, run_stream("three"), "turn", "k")))
        assert await store.crowds(Position(0), 10) == [
            CountedRun("one", "tidy", "k", 2, queued=False, started=one),
            CountedRun("two", "tidy", "k", 2, queued=True, started=two),
            CountedRun("three", "tidy", "k", 2, queued=True, started=three),
        ]
        assert [row.run for row in await store.crowds(one, 1)] == ["two"]
        assert await store.crowds(Position(0), 10, tenant=THEIRS) == []
        await commit(store, changing(AnswerWait(wait, one)))
        await board.append(run_stream("two"), WorkflowAdmitted(LATER, ("a",)))
        assert [row.queued for row in await store.crowds(Position(0), 10)] == [False] * 3
        await board.append(run_stream("one"), WorkflowFailed(LATER, Failure("F", "It failed.")))
        await board.append(run_stream("two"), WorkflowCancelled(LATER))
        assert [row.run for row in await store.crowds(Position(0), 10)] == ["three"]
        row = await store.run("two")
        assert row is not None
        assert (row.crowd, row.queued) == ("k", False)
        assert await store.rebuild() == []

    async def test_a_queued_run_has_no_step_that_is_ready(self, store: Store, board: Board) -> None:
        """So start-up does not look at it before its turn has come."""
        crowded = Crowded("k", 1, queued=True)
        await board.append(run_stream("two"), started("two", crowded=crowded))
        assert await store.unended(Position(0), 10, stirring=True) == []
        await board.append(run_stream("two"), WorkflowAdmitted(LATER, ("a",)))
        assert [one.id for one in await store.unended(Position(0), 10, stirring=True)] == ["two"]

    async def test_one_run_alone_has_created_a_thing(self, store: Store) -> None:
        """The second refuses its turn and no other; to say it again, or to touch it, is nothing new."""
        (first,) = await commit(store, telling(made("one"), made("one"), made("one", "touched", number=1)))
        assert isinstance(await refused(store, telling(made("two"))), ConstraintViolated)
        _, last = await commit(store, telling(made("two", "touched")), telling(made("two", id_="8")))
        found = await store.created("jira", "issue", "7")
        assert found is not None
        assert (found.run, found.step, found.at) == ("one", "a", NOON)
        assert found.position == first.position(Ref(0))
        assert await store.created("jira", "issue", "9") is None
        assert await store.created("jira", "issue", "7", tenant=THEIRS) is None
        assert [one.run for one in await store.links(LinkQuery(id="7"))] == ["one", "one", "two"]
        after = (last.position(Ref(0)) - 1, 0)
        assert [one.id for one in await store.links(LinkQuery(run="two", after=after))] == ["8"]
        assert len(await store.links(LinkQuery(system="jira", limit=2))) == 2
