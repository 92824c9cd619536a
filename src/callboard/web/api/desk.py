"""What the door may ask of the house: a port, so that the door knows no actor, journal or store.

`app.py` hands in the real one; the door's tests hand in a small one that keeps its answers in memory. What a
method raises of `errors.py` becomes a problem document with that error's code; anything else becomes
`INTERNAL`.
"""

from __future__ import annotations

from typing import Protocol

from callboard.ids import PrincipalId, Tenant
from callboard.web import wire


class Desk(Protocol):
    """Who answers what comes through the door."""

    def health(self) -> wire.Health:
        """Say how the server is; at once, and without touching the database."""

    async def doctor(self, *, full: bool) -> wire.DoctorReport:
        """Look whether everything is as it must be."""

    async def backup(self, path: str, principal: PrincipalId) -> wire.BackupMade:
        """Write and check a copy of the database at an absolute path."""

    async def prune(self, *, dry_run: bool, principal: PrincipalId) -> wire.Pruned:
        """Take away what retention no longer keeps."""

    async def log_page(self, after: str | None, limit: int, tenant: Tenant) -> wire.LogPage:
        """Return facts behind a cursor; `PositionUnknown` for a cursor of another log or past the head."""
