"""What a client asks of the story of one run: `client.story`."""

from __future__ import annotations

import msgspec

from callboard.web import runs, story
from callboard.web.targets import given, part
from callboard.web.workflows_client import Call


class StoryClient:
    """One caller, as far as the story of a run goes."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def steps(self, run: str, *, after: str | int | None = None, limit: int = 100) -> story.StepPage:
        """Return a page of attempts."""
        return self._call("GET", _of(run, "steps"), story.StepPage, query=given(after=after, limit=limit))

    def events(self, run: str, *, after: str | int | None = None, limit: int = 100) -> story.EventPage:
        """Return a page of facts."""
        return self._call("GET", _of(run, "events"), story.EventPage, query=given(after=after, limit=limit))

    def decisions(self, run: str, *, after: str | int | None = None, limit: int = 100) -> story.DecisionPage:
        """Return a page of what was looked at to find out where the run goes."""
        query = given(after=after, limit=limit)
        return self._call("GET", _of(run, "decisions"), story.DecisionPage, query=query)

    def run_links(self, run: str, *, after: str | int | None = None, limit: int = 100) -> story.LinkPage:
        """Return a page of what the run has to do with things that live elsewhere."""
        return self._call("GET", _of(run, "links"), story.LinkPage, query=given(after=after, limit=limit))

    def links(
        self,
        *,
        system: str | None = None,
        type: str | None = None,  # noqa: A002 - what it is called in the request
        id: str | None = None,  # noqa: A002 - the same
        after: str | int | None = None,
        limit: int = 100,
    ) -> story.LinkPage:
        """Return a page of the runs that have to do with a thing that lives elsewhere."""
        query = given(system=system, type=type, id=id, after=after, limit=limit)
        return self._call("GET", "/links", story.LinkPage, query=query)

    def tree(self, run: str) -> story.Tree:
        """Return the run with all that it started."""
        return self._call("GET", _of(run, "tree"), story.Tree)

    def at(self, run: str, position: int) -> story.RunThen:
        """Return how the run stood at a position of the log."""
        return self._call("GET", _of(run, f"at/{position}"), story.RunThen)

    def fork(
        self,
        run: str,
        step: str,
        *,
        input: object = msgspec.UNSET,  # noqa: A002 - what it is called in the request
        request_id: str | None = None,
    ) -> runs.Started:
        """Do the run again from a step, as a new run."""
        body = story.ForkRequest(step=step, input=input, request_id=request_id)
        return self._call("POST", _of(run, "fork"), runs.Started, body=body)


def _of(run: str, what: str) -> str:
    return f"/runs/{part(run)}/{what}"
