"""For those who test: a stage for bots, a clock that jumps, and the suite that a store adapter must pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callboard.testing.stage import Stage
else:

    def __getattr__(name: str) -> object:
        """Bring the stage when it is asked for: who wants the clock alone has no use for a store."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - see above

        return getattr(import_module(f"{__name__}.stage"), name)


__all__ = ["Stage"]
