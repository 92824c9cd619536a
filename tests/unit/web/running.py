"""What the door asks about runs and approvals, answered from memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from callboard.errors import NotFound, WrongState
from callboard.ids import LOCAL_USER, Position, PrincipalId
from callboard.web import runs

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


@dataclass
class MemoryRuns:
    """One run that goes on, one that has ended, and one approval."""

    asked: Callable[..., Awaitable[None]]

    async def publish(self, text: str, principal: PrincipalId) -> runs.Published:
        await self.asked("publish", text, principal)
        return runs.Published(name="claims", version=1, created=True, activated=True)

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

    async def pause(self, run: str, principal: PrincipalId) -> runs.Standing:
        return await self._do("pause", run, principal)

    async def resume(self, run: str, principal: PrincipalId) -> runs.Standing:
        return await self._do("resume", run, principal)

    async def retry(self, run: str, principal: PrincipalId) -> runs.Standing:
        return await self._do("retry", run, principal)

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
        return runs.ApprovalPage(data=[APPROVAL], next=None)

    async def approval(self, approval: str) -> runs.ApprovalRow:
        await self.asked("approval", approval)
        return APPROVAL

    async def decide(
        self, approval: str, request: runs.DecisionRequest, principal: PrincipalId
    ) -> runs.Standing:
        return await self._do("decide", approval, request, principal)
