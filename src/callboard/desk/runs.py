"""The part of the front desk that answers for runs, signals and approvals.

What changes something is asked of the run itself, through its supervisor; what only looks is asked of the
store.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from callboard.desk.pages import read_page
from callboard.errors import NotFound
from callboard.events import WorkflowCompleted, run_stream
from callboard.ids import Position, PrincipalId, Version, WaitId
from callboard.outcome import Failure
from callboard.publisher import Publisher
from callboard.run import commands
from callboard.runrows import AttemptRow, DecisionRow, RunQuery, RunRow
from callboard.runs.runs import Runs
from callboard.runs.runturn import Waited
from callboard.runs.runwords import Standing
from callboard.steps.approval import Asked
from callboard.store import Event, Store, Wait
from callboard.web import runs, wire
from callboard.web.workflows import FaultRow

MOST_ROWS = 10_000
"""Steps, events and decisions of a run that one answer holds at most."""
PAGE = 500
ROW = 500
"""Bytes of a row beside what a step put into it."""


class RunsDesk:
    """What the house says of runs."""

    def __init__(self, store: Store, runs_: Runs, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher
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
        row = await self._must_be(run)
        steps = await self._steps(run) if "steps" in include else None
        events = await self._events(run) if "events" in include else None
        decisions = await self._decisions(run) if "decisions" in include else None
        told = {"steps": steps, "events": events, "decisions": decisions}
        return runs.RunDetail(
            **msgspec.structs.asdict(run_row(row)),
            output=await self._output(row),
            steps=None if steps is None else steps[0],
            events=None if events is None else events[0],
            decisions=None if decisions is None else decisions[0],
            cut=[part for part, found in told.items() if found is not None and found[1]],  # type: ignore[misc]
        )

    async def _must_be(self, run: str) -> RunRow:
        row = await self._store.run(run)
        if row is None:
            raise NotFound(f"There is no run {run}.", run=run)
        return row

    async def _output(self, row: RunRow) -> object:
        if row.status != "completed":
            return None
        stream = await self._store.stream(run_stream(row.id))
        for event in await self._store.events(stream.id, Version(stream.version - 1), 1):
            if isinstance(event.fact, WorkflowCompleted):
                return event.fact.final_output
        return None

    async def _steps(self, run: str) -> tuple[list[runs.StepRow], bool]:
        async def read(after: Position | None, limit: int) -> list[AttemptRow]:
            return await self._store.attempts(run, after or Position(0), limit)

        found, more = await read_page(read, None, MOST_ROWS, lambda row: (row.started, row.bytes + ROW))
        return [step_row(row) for row in found], more is not None

    async def _events(self, run: str) -> tuple[list[runs.EventRow], bool]:
        stream = run_stream(run)

        async def read(after: Position | None, limit: int) -> list[Event]:
            return await self._store.events(stream, Version(after or 0), limit)

        def place_and_size(event: Event) -> tuple[Position, int]:
            return Position(event.version), len(msgspec.json.encode(event.fact)) + ROW

        found, more = await read_page(read, None, MOST_ROWS, place_and_size)
        return [event_row(event) for event in found], more is not None

    async def _decisions(self, run: str) -> tuple[list[runs.DecisionRow], bool]:
        found: list[DecisionRow] = []
        after = Position(0)
        while len(found) < MOST_ROWS and (page := await self._store.decisions(run, after, PAGE)):
            found += page
            after = page[-1].position
        names = runs.DecisionRow.__struct_fields__
        rows = [runs.DecisionRow(**{name: getattr(row, name) for name in names}) for row in found]
        return rows, len(found) >= MOST_ROWS

    # ── publishing ───────────────────────────────────────────────────────────────────────────────────────

    async def publish(self, text: str, principal: PrincipalId) -> runs.Published:
        published, warnings = await self._publisher.publish(text, principal=principal)
        return runs.Published(
            name=published.name,
            version=published.version,
            created=published.created,
            activated=published.activated,
            warnings=[FaultRow(**msgspec.structs.asdict(fault)) for fault in warnings],
        )

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
        return runs.Started(
            run_id=began.run,
            workflow=began.workflow,
            version=began.version,
            status=began.status,  # type: ignore[arg-type]  # the machine's words are these
            url=f"{wire.API}/runs/{began.run}",
            repeated=began.repeated,
        )

    async def pause(self, run: str, principal: PrincipalId) -> runs.Standing:
        return await self._do(run, commands.Pause(principal), principal)

    async def resume(self, run: str, principal: PrincipalId) -> runs.Standing:
        return await self._do(run, commands.Resume(principal), principal)

    async def cancel(self, run: str, reason: str, principal: PrincipalId) -> runs.Standing:
        return await self._do(run, commands.Cancel(principal, reason), principal)

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
        waited = msgspec.json.decode((await self._waiting(approval)).data, type=Waited)
        by = request.by or principal
        found = await self._runs.decide(
            waited, request.decision, by=by, comment=request.comment, principal=principal
        )
        return standing(found)

    async def _waiting(self, approval: str) -> Wait:
        found = await self._store.wait(WaitId(UUID(approval)))
        if found is None or found.kind != "approval":
            raise NotFound(
                f"Nothing waits for a decision under {approval}: it was decided, or its run has ended.",
                approval=approval,
            )
        return found


def standing(found: Standing) -> runs.Standing:
    """Say how a run stands."""
    return runs.Standing(
        run_id=found.run,
        workflow=found.workflow,
        status=found.status,  # type: ignore[arg-type]  # the machine's words are these
        paused_by=found.paused_by,
    )


def run_row(row: RunRow) -> runs.RunRow:
    """Return a run as it crosses the door."""
    return runs.RunRow(
        id=row.id,
        workflow=row.workflow,
        version=row.version,
        status=row.status,
        paused_by=row.paused_by,
        principal=row.principal,
        parent=row.parent,
        started_at=row.started_at,
        ended_at=row.ended_at,
        error=_error(row.error),
        reason=row.reason,
        position=row.started,
    )


def step_row(row: AttemptRow) -> runs.StepRow:
    """Return an attempt as it crosses the door."""
    return runs.StepRow(
        step=row.step,
        iteration=row.iteration,
        attempt=row.attempt,
        status=row.status,
        input=row.input,
        output=row.output,
        error=_error(row.error),
        started_at=row.started_at,
        ended_at=row.ended_at,
        position=row.started,
    )


def event_row(event: Event) -> runs.EventRow:
    """Return a fact of a run as it crosses the door."""
    return runs.EventRow(
        position=event.position,
        cause=event.cause,
        version=event.version,
        type=event.type,
        at=event.at,
        data=msgspec.to_builtins(event.fact),
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


def _error(failure: Failure | None) -> runs.ErrorRow | None:
    if failure is None:
        return None
    details: dict[str, Any] = dict(failure.details)
    return runs.ErrorRow(code=failure.code, message=failure.message, details=details)
