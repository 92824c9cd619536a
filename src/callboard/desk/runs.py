"""The part of the front desk that answers for runs, signals and approvals.

What changes something is asked of the run itself, through its supervisor; what only looks is asked of the
store.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from callboard.desk.pages import read_page
from callboard.desk.story import ROW, StoryDesk, run_row
from callboard.errors import Conflict, NotFound
from callboard.facts.events import WorkflowCompleted, run_stream
from callboard.ids import Position, PrincipalId, Version, WaitId
from callboard.run import commands
from callboard.runs.decided import decided
from callboard.runs.forks import Wanted
from callboard.runs.runs import Began, Runs
from callboard.runs.runturn import Waited
from callboard.runs.runwords import Standing
from callboard.steps.approval import Asked
from callboard.store.boardrows import Wait
from callboard.store.port import Store
from callboard.store.runrows import RunQuery, RunRow
from callboard.web import runs, story, wire

MOST_ROWS = 10_000
"""Steps, events and decisions of a run that one answer holds at most."""
MOST_HOLDERS = 10
"""Runs that are named to one that waits for a place of theirs."""


class RunsDesk:
    """What the house says of runs."""

    def __init__(self, store: Store, runs_: Runs, story_: StoryDesk) -> None:
        self._store = store
        self._story = story_
        self._runs = runs_

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────

    async def page(self, query: runs.RunsQuery) -> runs.RunPage:
        head = await self._store.head()
        after = None if query.after is None else head.resolve(query.after)

        async def read(place: Position | None, limit: int) -> list[RunRow]:
            return await self._store.runs(
                RunQuery(
                    workflow=query.workflow,
                    status=query.status,
                    since=query.since,
                    after=place,
                    limit=limit,
                    newest_first=query.order == "newest",
                )
            )

        found, next_ = await read_page(read, after, query.limit, lambda row: (row.started, ROW))
        rows = [run_row(row) for row in found]
        return runs.RunPage(data=rows, next=None if next_ is None else head.cursor(next_))

    async def run(self, run: str, include: set[str]) -> runs.RunDetail:
        row = await self._story.must_be(run)
        whole = story.StoryQuery(limit=MOST_ROWS)
        steps = await self._story.steps(run, whole) if "steps" in include else None
        events = await self._story.events(run, whole) if "events" in include else None
        decisions = await self._story.decisions(run, whole) if "decisions" in include else None
        context = await self._story.context(run) if "context" in include else None
        told = {"steps": steps, "events": events, "decisions": decisions}
        return runs.RunDetail(
            **msgspec.structs.asdict(run_row(row)),
            output=await self._output(row),
            steps=None if steps is None else steps.data,
            events=None if events is None else events.data,
            decisions=None if decisions is None else decisions.data,
            context=context,
            queue=self._queue(run),
            cut=[part for part, page in told.items() if page is not None and page.next],  # type: ignore[misc]
        )

    def _queue(self, run: str) -> runs.Queue | None:
        standing = self._runs.crowds.standing(run)
        if standing is None:
            return None
        behind = (standing.ahead or standing.holders)[-1:]
        return runs.Queue(
            limit=standing.limit,
            place=len(standing.ahead) + 1,
            behind=behind[0] if behind else "",
            holders=list(standing.holders[:MOST_HOLDERS]),
        )

    async def _output(self, row: RunRow) -> object:
        if row.status != "completed":
            return None
        stream = await self._store.stream(run_stream(row.id))
        for event in await self._store.events(stream.id, Version(stream.version - 1), 1):
            if isinstance(event.fact, WorkflowCompleted):
                return event.fact.final_output
        return None

    # ── doing ────────────────────────────────────────────────────────────────────────────────────────────

    async def start(
        self, workflow: str, request: runs.StartRequest, *, principal: PrincipalId
    ) -> runs.Started:
        began = await self._runs.start_run(
            workflow,
            request.input,
            principal=principal,
            version=request.version,
            request=request.request_id,
        )
        return _started(began)

    async def fork(self, run: str, request: story.ForkRequest, *, principal: PrincipalId) -> runs.Started:
        wanted = Wanted(run, request.step, request.input)
        return _started(await self._runs.fork_run(wanted, principal=principal, request=request.request_id))

    async def pause(self, run: str, principal: PrincipalId) -> runs.Standing:
        return await self._do(run, commands.Pause(principal), principal)

    async def resume(self, run: str, principal: PrincipalId) -> runs.Standing:
        return await self._do(run, commands.Resume(principal), principal)

    async def cancel(self, run: str, reason: str, principal: PrincipalId) -> runs.Standing:
        return await self._do(run, commands.Cancel(principal, reason), principal)

    async def delete(self, run: str, principal: PrincipalId) -> runs.Deleted:
        await self._runs.delete(run, principal=principal)
        return runs.Deleted(run_id=run)

    async def retry(self, run: str, principal: PrincipalId) -> runs.Standing:
        return await self._do(run, commands.Reopen(principal), principal)

    async def release(self, run: str, request: runs.ReleaseRequest, principal: PrincipalId) -> runs.Standing:
        return await self._do(run, commands.Release(request.step, request.how, principal), principal)

    async def signal(self, run: str, request: runs.SignalRequest, principal: PrincipalId) -> runs.Standing:
        return await self._do(run, commands.Give(request.name, request.body, principal), principal)

    async def _do(self, run: str, command: commands.Command, principal: PrincipalId) -> runs.Standing:
        return standing(await self._runs.do(run, command, principal=principal))

    # ── approvals ────────────────────────────────────────────────────────────────────────────────────────

    async def approvals(self, after: str | None, limit: int) -> runs.ApprovalPage:
        begin = None if after is None else WaitId(UUID(after))
        found = await self._store.waits_of("approval", begin, limit)
        next_ = str(found[-1].id) if len(found) == limit else None
        return runs.ApprovalPage(data=[approval_row(one) for one in found], next=next_)

    async def approval(self, approval: str) -> runs.ApprovalRow:
        return approval_row(await self._waiting(approval))

    async def decide(
        self, approval: str, request: runs.DecisionRequest, principal: PrincipalId
    ) -> runs.Standing:
        by = request.by or principal
        try:
            waited = msgspec.json.decode((await self._waiting(approval)).data, type=Waited)
            found = await self._runs.decide(
                waited, request.decision, by=by, comment=request.comment, principal=principal
            )
        except (NotFound, Conflict) as error:
            told = await decided(self._store, WaitId(UUID(approval)))
            if told is None:
                raise
            raise Conflict(f"This was decided already: {told}.", approval=approval) from error
        return standing(found)

    async def _waiting(self, approval: str) -> Wait:
        found = await self._store.wait(WaitId(UUID(approval)))
        if found is None or found.kind != "approval":
            raise NotFound(
                f"Nothing waits for a decision under {approval}: it was decided, or its run has ended.",
                approval=approval,
            )
        return found


def _started(began: Began) -> runs.Started:
    return runs.Started(
        run_id=began.run,
        workflow=began.workflow,
        version=began.version,
        status=began.status,  # type: ignore[arg-type]  # the machine's words are these
        url=f"{wire.API}/runs/{began.run}",
        repeated=began.repeated,
    )


def standing(found: Standing) -> runs.Standing:
    """Say how a run stands."""
    return runs.Standing(
        run_id=found.run,
        workflow=found.workflow,
        status=found.status,  # type: ignore[arg-type]  # the machine's words are these
        paused_by=found.paused_by,
    )


def approval_row(wait: Wait) -> runs.ApprovalRow:
    """Return what waits for a decision as it crosses the door."""
    waited = msgspec.json.decode(wait.data, type=Waited)
    asked = msgspec.convert(waited.about, Asked)
    return runs.ApprovalRow(
        id=str(wait.id),
        run_id=waited.run,
        workflow=waited.workflow,
        step=waited.step,
        message=asked.message,
        approvers=asked.approvers,
        needed=asked.needed,
        since=waited.since,
        expires_at=wait.due_at,
    )
