"""For those who test: a stage for bots, simulation under seeds and crashes, a clock that jumps.

And, for those who write an adapter of the store, the suite that it must pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callboard.testing.house import Answer, House, Request
    from callboard.testing.looking import Looking
    from callboard.testing.simulation import simulate
    from callboard.testing.stage import Stage
    from callboard.testing.world import Violation
else:
    _HOMES = {
        "Answer": "house",
        "House": "house",
        "Looking": "looking",
        "Request": "house",
        "Stage": "stage",
        "Violation": "world",
        "simulate": "simulation",
    }

    def __getattr__(name: str) -> object:
        """Bring each when it is asked for: who wants the clock alone has no use for a store."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - see above

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = ["Answer", "House", "Looking", "Request", "Stage", "Violation", "simulate"]
