"""The kinds of steps about what lives elsewhere: an issue, a page, a payment, and which run made it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from callboard.outcome import LONGEST_NAME
from callboard.planning.step import Kind, Parameters

Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]


class ResourceCheck(Parameters):
    """Gives `{exists, run, workflow, step, at}` of a thing that a run has created, or `{exists: false}`."""

    system: Annotated[Name, Meta(description="Where it lives: jira.")]
    type: Annotated[Name, Meta(description="What it is there: issue.")]
    id: Annotated[Name | int, Meta(description="Its name there.")]


class ResourceLink(ResourceCheck):
    """Reports what the run made elsewhere, or laid hands on."""

    how: Annotated[
        Literal["created", "touched"],
        Meta(description="created fails with RESOURCE_EXISTS where another run has created it."),
    ] = "touched"


KINDS = (
    Kind(
        name="resource.link",
        summary="Reports what the run made elsewhere, or laid hands on",
        parameters=ResourceLink,
    ),
    Kind(
        name="resource.check",
        summary="Finds out whether a run has made something elsewhere",
        parameters=ResourceCheck,
        only_answers=lambda _given: True,
    ),
)
