"""Watching `bots/`, `actions/` and `config/` while somebody writes: at each change all is loaded again.

It is for development (`callboard up --reload`). In production a file that is half copied would be loaded as
it is just then; there `callboard bots reload` says when.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import watchfiles

from callboard import logs
from callboard.checking.together import SUFFIXES
from callboard.errors import CallboardError
from callboard.reloading import Reloaded, Reloading

QUIET = 100
"""Milliseconds without a change until the folder is read: who saves several files means them together."""

LONGEST = 1_000
"""Milliseconds after which it is read though changes go on."""

_log = logs.get_logger("callboard.watching")


async def follow(folders: list[Path], reloading: Reloading, on_reload: Callable[[Reloaded], object]) -> None:
    """Reload at every change of a file with code, settings, a workflow or a template, until cancelled."""
    logging.getLogger("watchfiles").setLevel(
        logging.WARNING
    )  # what came of a change is said, not that it was
    changes = watchfiles.awatch(
        *folders,
        watch_filter=watchfiles.PythonFilter(extra_extensions=(".toml", *SUFFIXES)),
        debounce=LONGEST,
        step=QUIET,
    )
    async for _ in changes:
        try:
            done = await reloading.reload()
        except CallboardError as error:
            _log.error("bots.not_reloaded", code=error.code, reason=error.message)
        except Exception:  # noqa: BLE001  the next change may be what mends it
            _log.exception("bots.not_reloaded")
        else:
            on_reload(done)
