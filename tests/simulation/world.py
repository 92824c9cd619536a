"""The world of a simulation, in which one seed decides everything; authors of bots are given the same one."""

from __future__ import annotations

from callboard.testing.world import (
    Died,
    SeededIds,
    SimulatedClock,
    SimulatedLoop,
    Violation,
    make_loop,
)

__all__ = ["Died", "SeededIds", "SimulatedClock", "SimulatedLoop", "Violation", "make_loop"]
