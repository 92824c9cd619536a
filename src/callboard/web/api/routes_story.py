"""The lines of the table that concern the story of one run, its forks, and following a run or the log."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from callboard import errors
from callboard.web import runs, story, wire
from callboard.web.api import paths
from callboard.web.api.event import Event
from callboard.web.api.route import Call, Handler, Route

# ── handlers ─────────────────────────────────────────────────────────────────────────────────────────────


async def steps(call: Call[story.StoryQuery, None]) -> story.StepPage:
    """Return attempts of a run's steps."""
    return await call.desk.story.steps(paths.uuid(call, "run"), call.query)


async def events(call: Call[story.StoryQuery, None]) -> story.EventPage:
    """Return facts of a run."""
    return await call.desk.story.events(paths.uuid(call, "run"), call.query)


async def decisions(call: Call[story.StoryQuery, None]) -> story.DecisionPage:
    """Return why a run went where it went."""
    return await call.desk.story.decisions(paths.uuid(call, "run"), call.query)


async def run_links(call: Call[story.StoryQuery, None]) -> story.LinkPage:
    """Return what a run has to do with things that live elsewhere."""
    return await call.desk.story.run_links(paths.uuid(call, "run"), call.query)


async def links(call: Call[story.LinksQuery, None]) -> story.LinkPage:
    """Return what runs have to do with things that live elsewhere."""
    return await call.desk.story.links(call.query)


async def tree(call: Call[None, None]) -> story.Tree:
    """Return a run and those that it started."""
    return await call.desk.story.tree(paths.uuid(call, "run"))


async def at(call: Call[None, None]) -> story.RunThen:
    """Return a run as it once stood."""
    run, position = paths.uuid(call, "run"), paths.position(call, "position")
    return await call.desk.story.at(run, position)


async def fork(call: Call[None, story.ForkRequest]) -> runs.Started:
    """Start a run from a step of another one."""
    return await call.desk.runs.fork(paths.uuid(call, "run"), call.body, principal=call.principal)


async def follow_run(
    call: Call[story.FollowQuery, None],
) -> AsyncGenerator[list[Event[runs.EventRow]], None]:
    """Stream the facts of a run."""
    return call.desk.following.run(paths.uuid(call, "run"), _begin(call))


async def follow_log(
    call: Call[story.FollowQuery, None],
) -> AsyncGenerator[list[Event[wire.LogRow]], None]:
    """Stream the facts of the log."""
    return call.desk.following.log(_begin(call), call.tenant)


def _begin(call: Call[story.FollowQuery, None]) -> str | None:
    """Return from where on somebody wants to read: who comes back says so in a header."""
    return call.query.after if call.last_event is None else paths.place(call.last_event)


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────

_READING = (errors.NotFound, errors.StoreUnavailable)
_RUN = f"{wire.API}/runs/{{run}}"


def _page(name: str, what: str, summary: str, handler: Handler, answer: type[wire.Answer]) -> Route:
    return Route(
        verb="GET",
        path=f"{_RUN}/{what}",
        name=name,
        summary=summary,
        handler=handler,
        query=story.StoryQuery,
        answer=answer,
        scope="workflows:read",
        errors=(*_READING, errors.PositionUnknown),
    )


STORY: tuple[Route, ...] = (
    _page("readSteps", "steps", "Attempts of a run's steps, in the order of the log", steps, story.StepPage),
    _page("readEvents", "events", "Facts of a run, in order", events, story.EventPage),
    _page("readDecisions", "decisions", "Why a run went where it went", decisions, story.DecisionPage),
    _page("readRunLinks", "links", "What a run made elsewhere, or laid hands on", run_links, story.LinkPage),
    Route(
        verb="GET",
        path=f"{wire.API}/links",
        name="listLinks",
        summary="Which runs made a thing that lives elsewhere, or laid hands on it",
        handler=links,
        query=story.LinksQuery,
        answer=story.LinkPage,
        scope="workflows:read",
        errors=(errors.StoreUnavailable, errors.PositionUnknown),
    ),
    Route(
        verb="GET",
        path=f"{_RUN}/tree",
        name="readTree",
        summary="A run with all the runs that its steps started",
        handler=tree,
        answer=story.Tree,
        scope="workflows:read",
        errors=_READING,
    ),
    Route(
        verb="GET",
        path=f"{_RUN}/at/{{position}}",
        name="readRunAt",
        summary="A run as it stood at a position of the log",
        handler=at,
        answer=story.RunThen,
        scope="workflows:read",
        errors=(*_READING, errors.PositionUnknown, errors.FactUnreadable),
    ),
    Route(
        verb="POST",
        path=f"{_RUN}/fork",
        name="forkRun",
        summary="Do a run again from one of its steps, as a new run that takes over what came before",
        handler=fork,
        request=story.ForkRequest,
        answer=runs.Started,
        status=202,
        repeated=200,
        scope="workflows:execute",
        errors=(
            *(*_READING, errors.WrongState, errors.Conflict, errors.KeyReused, errors.KindUnavailable),
            errors.ConcurrencyLimit,
            errors.WorkflowInactive,
            *(errors.Unencodable, errors.TurnTooLarge, errors.ShuttingDown, errors.DiskFull),
            *(errors.OutcomeUnknown, errors.ActorStopped, errors.AskTimeout, errors.Overloaded),
            errors.FactUnreadable,
        ),
    ),
    Route(
        verb="GET",
        path=f"{_RUN}/stream",
        name="followRun",
        summary="The facts of a run as server-sent events, up to its `end`; 204 for who has read that",
        handler=follow_run,
        query=story.FollowQuery,
        answer=runs.EventRow,
        scope="workflows:read",
        streams=True,
        ends=True,
        errors=(*_READING, errors.PositionUnknown, errors.Overloaded, errors.ShuttingDown),
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/log/stream",
        name="followLog",
        summary="The facts of the log, and then whatever comes, as server-sent events",
        handler=follow_log,
        query=story.FollowQuery,
        answer=wire.LogRow,
        scope="admin",
        streams=True,
        errors=(*(errors.StoreUnavailable, errors.PositionUnknown, errors.Overloaded, errors.ShuttingDown),),
    ),
)
