"""A workflow that a run is to be started of: which version, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import msgspec

from callboard.checking.schemas import misfits
from callboard.planning.plan import Plan
from callboard.workflow import path_text

MOST_MISFITS = 5
"""Faults of an input that are told at once."""


class Callee(msgspec.Struct, frozen=True):
    """One version of a workflow, as whoever starts a run of it sees it."""

    workflow: str
    version: int
    takes: Mapping[str, Any] | None
    """The schema of its input."""

    @classmethod
    def of(cls, plan: Plan, version: int) -> Callee:
        """Return a version by its plan."""
        return cls(plan.name, version, plan.input)

    def refuses(self, value: object) -> str:
        """Say why a value is no input of the workflow; nothing if it is."""
        if self.takes is None:
            return ""
        found = list(islice(misfits(value, dict(self.takes)), MOST_MISFITS))
        told = "; ".join(f"{path_text(('input', *path))}: {message}" for path, message in found)
        return f"This is no input of the workflow {self.workflow}: {told}." if found else ""
