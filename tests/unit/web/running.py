"""What the door asks about runs and approvals, answered from memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from callboard.errors import NotFound, WrongState
from callboard.ids import LOCAL_USER, Position, PrincipalId, Tenant
from callboard.web import runs, story, wire
from callboard.web.api.event import Event

AT = datetime(2030, 1, 1, tzinfo=UTC)
RUN = "01920000-0000-7000-8000-000000000001"
ENDED = "01920000-0000-7000-8000-000000000002"
ROW: dict[str, Any] = {
    "id": RUN,
    "workflow": "claims",
    "version": 1,
    "status": "running",
    "principal": LOCAL_USER,
    "started_at": AT,
    "position": Position(7),
}
APPROVAL = runs.ApprovalRow(
    id=RUN,
    run_id=RUN,
    workflow="claims",
    step="ask",
    message="Pay?",
    approvers=["ann"],
    needed=1,
    since=AT,
)
WAITING = [APPROVAL]


@dataclass
class MemoryRuns:
    """One run that goes on, one that has ended, and one approval."""

    asked: Callable[..., Awaitable[None]]

    async def start(
        self, workflow: str, request: runs.StartRequest, *, principal: PrincipalId
    ) -> runs.Started:
        await self.asked("start", workflow, request, principal)
        again = request.request_id == "again"
        return runs.Started(
            run_id=RUN, workflow=workflow, version=1, status="running", url=f"/runs/{RUN}", repeated=again
        )

    async def page(self, query: runs.RunsQuery) -> runs.RunPage:
        await self.asked("runs", query)
        return runs.RunPage(data=[runs.RunRow(**ROW)], next=None)

    async def run(self, run: str, include: set[str]) -> runs.RunDetail:
        await self.asked("run", run, include)
        if run != RUN:
            raise NotFound(f"There is no run {run}.")
        return runs.RunDetail(**ROW, steps=[] if "steps" in include else None)

    async def fork(self, run: str, request: story.ForkRequest, *, principal: PrincipalId) -> runs.Started:
        await self.asked("fork", run, request, principal)
        if run == ENDED:
            raise WrongState(f"Run {run} cannot be forked from there.", status="failed")
        return runs.Started(
            run_id=ENDED, workflow="claims", version=1, status="pending", url=f"/runs/{ENDED}"
        )

    async def pause(self, run: str, principal: PrincipalId) -> runs.Standing:
        return await self._do("pause", run, principal)

    async def resume(self, run: str, principal: PrincipalId) -> runs.Standing:
        return await self._do("resume", run, principal)

    async def retry(self, run: str, principal: PrincipalId) -> runs.Standing:
        return await self._do("retry", run, principal)

    async def delete(self, run: str, principal: PrincipalId) -> runs.Deleted:
        await self._do("delete", run, principal)
        return runs.Deleted(run_id=run)

    async def cancel(self, run: str, reason: str, principal: PrincipalId) -> runs.Standing:
        return await self._do("cancel", run, reason, principal)

    async def release(self, run: str, request: runs.ReleaseRequest, principal: PrincipalId) -> runs.Standing:
        return await self._do("release", run, request, principal)

    async def signal(self, run: str, request: runs.SignalRequest, principal: PrincipalId) -> runs.Standing:
        return await self._do("signal", run, request, principal)

    async def _do(self, what: str, run: str, *more: object) -> runs.Standing:
        await self.asked(what, run, *more)
        if run == ENDED:
            raise WrongState(f"Run {run} has ended (failed).", status="failed")
        return runs.Standing(run_id=run, workflow="claims", status="running")

    async def approvals(self, after: str | None, limit: int) -> runs.ApprovalPage:
        await self.asked("approvals", after, limit)
        return runs.ApprovalPage(data=WAITING, next=None)

    async def approval(self, approval: str) -> runs.ApprovalRow:
        await self.asked("approval", approval)
        return APPROVAL

    async def decide(
        self, approval: str, request: runs.DecisionRequest, principal: PrincipalId
    ) -> runs.Standing:
        return await self._do("decide", approval, request, principal)


@dataclass
class MemoryStory:
    """The story of the one run that goes on."""

    asked: Callable[..., Awaitable[None]]

    async def steps(self, run: str, query: story.StoryQuery) -> story.StepPage:
        await self._told("steps", run, query)
        return story.StepPage(data=[], next="9@log-1")

    async def events(self, run: str, query: story.StoryQuery) -> story.EventPage:
        await self._told("events", run, query)
        return story.EventPage(data=[], next=None)

    async def decisions(self, run: str, query: story.StoryQuery) -> story.DecisionPage:
        await self._told("decisions", run, query)
        return story.DecisionPage(data=[], next=None)

    async def run_links(self, run: str, query: story.StoryQuery) -> story.LinkPage:
        await self._told("run_links", run, query)
        return story.LinkPage(data=[], next=None)

    async def links(self, query: story.LinksQuery) -> story.LinkPage:
        await self.asked("links", query)
        return story.LinkPage(data=[], next=None)

    async def tree(self, run: str) -> story.Tree:
        await self._told("tree", run)
        return story.Tree(root=story.Branch(run=runs.RunRow(**ROW)))

    async def at(self, run: str, position: Position) -> story.RunThen:
        await self._told("at", run, position)
        return story.RunThen(
            run_id=run,
            workflow="claims",
            version=1,
            position=position,
            at=AT,
            status="running",
            steps=[],
            ready=[],
            vars={},
        )

    async def _told(self, what: str, run: str, *more: object) -> None:
        await self.asked(what, run, *more)
        if run != RUN:
            raise NotFound(f"There is no run {run}.")


@dataclass
class MemoryFollowing:
    """A run of three facts, of which the last is its end, and a log of one."""

    asked: Callable[..., Awaitable[None]]

    async def run(self, run: str, after: str | None) -> AsyncGenerator[list[Event[runs.EventRow]], None]:
        await self.asked("follow", run, after)
        if run != RUN:
            raise NotFound(f"There is no run {run}.")
        for number in range(int((after or "0").partition("@")[0]) + 1, 4):
            row = runs.EventRow(
                position=Position(number), cause=None, version=number, type="fact", at=AT, data={"n": number}
            )
            yield [Event(row, f"{number}@log-1", "end" if number == 3 else "")]

    async def log(self, after: str | None, tenant: Tenant) -> AsyncGenerator[list[Event[wire.LogRow]], None]:
        await self.asked("follow log", after, tenant)
        while True:
            yield []
            await asyncio.sleep(3600)
