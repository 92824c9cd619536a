"""The part of the front desk that tells the story of one run: in pages, as a tree, and as it once stood."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from callboard.desk.pages import read_page
from callboard.errors import CallboardError, NotFound
from callboard.facts.events import WorkflowStarted, run_stream
from callboard.facts.forked import TakenStep
from callboard.ids import Position, Version
from callboard.outcome import MOST_LINKS, Failure
from callboard.publish.publisher import Publisher
from callboard.run import RunState
from callboard.runs.course import FOLD
from callboard.store.boardrows import Event
from callboard.store.fold import load
from callboard.store.port import Head, Store
from callboard.store.runrows import AttemptRow, DecisionRow, Descendant, LinkQuery, LinkRow, RunRow
from callboard.web import runs, story

ROW = 500
"""Bytes of a row beside what a step put into it."""
MOST_RUNS = 1_000
"""Runs that one tree holds at most."""


class StoryDesk:
    """What the house tells of one run."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher

    # ── in pages ─────────────────────────────────────────────────────────────────────────────────────────

    async def steps(self, run: str, query: story.StoryQuery) -> story.StepPage:
        row = await self.must_be(run)
        head, after = await self._begin(query)

        async def read(place: Position | None, limit: int) -> list[AttemptRow]:
            return await self._store.attempts(run, place or Position(0), limit)

        found, next_ = await read_page(read, after, query.limit, lambda one: (one.started, one.bytes + ROW))
        taken = [] if after is not None and after >= row.started else await self.taken(row)
        return story.StepPage(data=[*taken, *map(step_row, found)], next=_next(head, next_))

    async def events(self, run: str, query: story.StoryQuery) -> story.EventPage:
        await self.must_be(run)
        head, after = await self._begin(query)
        stream = run_stream(run)
        begin = Version(0) if after is None else await self._store.version_at(stream, after)

        async def read(version: Position | None, limit: int) -> list[Event]:
            return await self._store.events(stream, Version(version or 0), limit)

        found, more = await read_page(read, Position(begin), query.limit, event_place)
        next_ = found[-1].position if found and more is not None else None
        return story.EventPage(data=[event_row(event) for event in found], next=_next(head, next_))

    async def decisions(self, run: str, query: story.StoryQuery) -> story.DecisionPage:
        await self.must_be(run)
        head, after = await self._begin(query)

        async def read(place: Position | None, limit: int) -> list[DecisionRow]:
            return await self._store.decisions(run, place or Position(0), limit)

        found, next_ = await read_page(read, after, query.limit, lambda one: (one.position, ROW))
        return story.DecisionPage(data=list(map(decision_row, found)), next=_next(head, next_))

    async def _begin(self, query: story.StoryQuery) -> tuple[Head, Position | None]:
        head = await self._store.head()
        return head, placed(head, query.after)

    async def must_be(self, run: str) -> RunRow:
        """Return a run, or refuse one that is not there."""
        row = await self._store.run(run)
        if row is None:
            raise NotFound(f"There is no run {run}.", run=run)
        return row

    async def taken(self, row: RunRow) -> list[runs.StepRow]:
        """Return the steps that a fork has taken over: they are in its first fact, and nowhere else."""
        if row.forked_from is None:
            return []
        (first,) = await self._store.events(run_stream(row.id), Version(0), 1)
        forked = first.fact.forked if isinstance(first.fact, WorkflowStarted) else None
        return (
            [] if forked is None else [taken_row(one, row) for one in forked.taken if one.status != "skipped"]
        )

    async def run_links(self, run: str, query: story.StoryQuery) -> story.LinkPage:
        await self.must_be(run)
        return await self._links(LinkQuery(run=run, limit=query.limit), query.after)

    async def links(self, query: story.LinksQuery) -> story.LinkPage:
        wanted = LinkQuery(system=query.system, type=query.type, id=query.id, limit=query.limit)
        return await self._links(wanted, query.after)

    async def _links(self, wanted: LinkQuery, after: str | None) -> story.LinkPage:
        head = await self._store.head()
        place, most = placed(head, after) or Position(0), wanted.limit
        begin = (place, MOST_LINKS)  # past all that are of that fact
        found = await self._store.links(replace(wanted, after=begin, limit=most + MOST_LINKS))
        last = found[most - 1].position if len(found) > most else None
        data = [one for one in found if last is None or one.position <= last]
        next_ = data[-1].position if len(found) > len(data) else None
        return story.LinkPage(data=[link_row(one) for one in data], next=_next(head, next_))

    # ── its family ───────────────────────────────────────────────────────────────────────────────────────

    async def tree(self, run: str) -> story.Tree:
        row = await self.must_be(run)
        found = await self._store.descendants(run, MOST_RUNS + 1)
        return story.Tree(root=_grown(row, found[:MOST_RUNS]), cut=len(found) > MOST_RUNS)

    # ── how it stood ─────────────────────────────────────────────────────────────────────────────────────

    async def at(self, run: str, position: Position) -> story.RunThen:
        row = await self.must_be(run)
        head = await self._store.head()
        head.resolve(head.cursor(position))
        stream = run_stream(run)
        version = await self._store.version_at(stream, position)
        if not version:
            raise NotFound(
                f"Run {run} had not begun at position {position}: it begins at {row.started}.", run=run
            )
        state, version = await load(self._store, stream, FOLD, until=version)
        (last,) = await self._store.events(stream, Version(version - 1), 1)
        return story.RunThen(
            run_id=run,
            workflow=state.workflow,
            version=state.version,
            position=last.position,
            at=last.at,
            status=state.status,  # type: ignore[arg-type]  # the machine's words are these
            paused_by=state.paused_by,
            steps=[_step_then(id_, state) for id_ in await self._order(state)],
            ready=state.ready,
            vars=state.vars,
            output=state.output,
            error=error_row(state.error),
        )

    async def _order(self, state: RunState) -> Iterable[str]:
        """Return the steps of a run in the order of its workflow, as far as that can still be read."""
        try:
            flow = (await self._publisher.plan(state.workflow, state.version)).flow
            for above in () if state.origin is None else state.origin.path:
                body = flow.steps[above].body
                flow = flow if body is None else body
        except CallboardError:
            return state.steps
        return dict.fromkeys([*flow.order, *state.steps])

    async def context(self, run: str) -> runs.RunContext:
        """Return what the expressions of a run see: all, what is small, or how large it is."""
        state, _ = await load(self._store, run_stream(run), FOLD)
        mode = (await self._publisher.plan(state.workflow, state.version)).context
        most = _SHOWN[mode]
        return runs.RunContext(
            mode=mode,
            bytes=state.bytes,
            trigger=_value(state.trigger, most),
            vars={name: _value(value, most) for name, value in state.vars.items()},
            steps={
                id_: runs.ContextStep(
                    status=seen["status"], iteration=seen["iteration"], output=_value(seen["output"], most)
                )
                for id_, seen in state.seen.items()
            },
        )


_SHOWN = {"full": 1 << 40, "summary": 1_000, "keys": -1}
"""Bytes that a value may have to be shown."""


def _value(value: object, most: int) -> runs.ContextValue:
    size = len(msgspec.json.encode(value))
    if size > most:
        return runs.ContextValue(bytes=size, left_out=True)
    return runs.ContextValue(bytes=size, value=value)


def _grown(row: RunRow, found: Iterable[Descendant]) -> story.Branch:
    """Put a family together; parents come before their children."""
    root = story.Branch(run=run_row(row))
    known = {row.id: root}
    for one in found:
        branch = known[one.run.id] = story.Branch(step=one.step, run=run_row(one.run))
        parent = known.get(one.run.parent or "")
        if parent is not None:
            parent.children.append(branch)
    return root


def _step_then(id_: str, state: RunState) -> story.StepThen:
    step = state.steps.get(id_)
    if step is None:
        return story.StepThen(step=id_, status="pending")
    seen = state.seen.get(id_, {})
    told = seen.get("error")
    error = None
    if told is not None:
        error = runs.ErrorRow(code=told["code"], message=told["message"], details=told.get("details", {}))
    retried = step.retry_at is not None
    return story.StepThen(
        step=id_,
        status=step.status,  # type: ignore[arg-type]  # the machine's words are these
        iteration=step.iteration,
        attempt=step.attempt,
        ready=step.queued,
        output=seen.get("output"),
        error=error,
        waits_for="retry" if retried else "" if step.wait is None else step.wait.what,
        until=step.retry_at if retried or step.wait is None else step.wait.until,
    )


def _next(head: Head, place: Position | None) -> str | None:
    return None if place is None else head.cursor(place)


def placed(head: Head, text: str | None) -> Position | None:
    """Return the position that a cursor means, or that is given as it is; one past the head is refused."""
    if text is None:
        return None
    return head.resolve(text if "@" in text else f"{text}@{head.log_id}")


def event_place(event: Event) -> tuple[Position, int]:
    """Return the version of a fact of a run, by which its stream is read, and about how large it is."""
    return Position(event.version), len(msgspec.json.encode(event.fact)) + ROW


# ── rows as they cross the door ──────────────────────────────────────────────────────────────────────────


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
        forked_from=row.forked_from,
        path=row.path,
        item=row.item,
        concurrency_key=row.crowd,
        queued=row.queued and row.ended_at is None,
        started_at=row.started_at,
        ended_at=row.ended_at,
        error=error_row(row.error),
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
        error=error_row(row.error),
        started_at=row.started_at,
        ended_at=row.ended_at,
        position=row.started,
    )


def taken_row(one: TakenStep, row: RunRow) -> runs.StepRow:
    """Return a step that a fork has taken over as it crosses the door."""
    return runs.StepRow(
        step=one.step,
        iteration=one.iteration,
        attempt=one.attempt,
        status="completed" if one.status == "completed" else "failed",
        output=one.output,
        error=error_row(one.error),
        started_at=one.at,
        ended_at=one.at,
        position=row.started,
        taken_from=row.forked_from,
    )


def link_row(row: LinkRow) -> story.Link:
    """Return what a run has to do with a thing as it crosses the door."""
    told = {name: getattr(row, name) for name in ("system", "type", "id", "how", "workflow", "step", "at")}
    return story.Link(**told, run_id=row.run, position=row.position)


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


def decision_row(row: DecisionRow) -> runs.DecisionRow:
    """Return what was looked at as it crosses the door."""
    return runs.DecisionRow(**{name: getattr(row, name) for name in runs.DecisionRow.__struct_fields__})


def error_row(failure: Failure | None) -> runs.ErrorRow | None:
    """Return why something failed as it crosses the door."""
    if failure is None:
        return None
    details: dict[str, Any] = dict(failure.details)
    return runs.ErrorRow(code=failure.code, message=failure.message, details=details)
