"""Linking: of all runs one may say that it created a thing; the second fails with RESOURCE_EXISTS.

Before the end of a step is decided it is looked up whether another run has said so. Two that say it at the
same moment both find nothing; then the row of the one breaks the turn of the other, which is decided anew and
finds the first one. So what decides is the row, and the commit of nobody else is in the way.
"""

from __future__ import annotations

import msgspec

from callboard.facts.link_events import ResourcesLinked
from callboard.outcome import Done, Fail, Failure, Link, Outcome
from callboard.store.changes import Change, KeepLink, Ref
from callboard.store.port import Store


async def judged(store: Store, run: str, outcome: Outcome) -> Outcome:
    """Return an outcome as it can be, given what other runs have created."""
    if not isinstance(outcome, Done):
        return outcome
    for link in outcome.links:
        if link.how == "created":
            found = await store.created(link.system, link.type, link.id)
            if found is not None and found.run != run:
                return Fail(_exists(link, found.run, found.workflow, found.step))
    return outcome


def rows(run: str, workflow: str, fact: ResourcesLinked, place: Ref) -> list[Change]:
    """Return the rows of what a step reports."""
    return [
        KeepLink(run, workflow, fact.step, link.system, link.type, link.id, link.how, place, number)
        for number, link in enumerate(fact.links)
    ]


def _exists(link: Link, run: str, workflow: str, step: str) -> Failure:
    said = f"{link.system} {link.type} {link.id} was created before, by step {step} of run {run}"
    details = {"run": run, "workflow": workflow, "step": step, **msgspec.to_builtins(link)}
    return Failure("RESOURCE_EXISTS", f"{said}: use that one.", details)
