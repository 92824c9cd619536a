"""What one evaluation may use, and the meter that says stop.

Three things are counted. A **step** is one node of the parsed text each time it is reached, counted for a
whole body before it runs, and one element that a filter or a comparison looks at. **Bytes** are those of
every text and list that is built, intermediate ones included; they are charged before the thing is built, so
that a bomb is refused, not cleaned up after. **Depth** is that of the parsed text and of every value that is
walked.
"""

from __future__ import annotations

import msgspec

from callboard.expressions.faults import Fault

WORK = 16
"""All that one evaluation builds may be this many times the size of the largest result."""

SLOT = 16
"""What one element of a list is charged, in bytes."""

READ = 16
"""Reading costs this many times less than building."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of one template, condition or value; each message of a bound that was met names it."""

    source: int = 16 * 1024
    steps: int = 50_000
    result: int = 1024 * 1024
    depth: int = 32
    bits: int = 64


class Budget:
    """What is left of the limits in one evaluation."""

    __slots__ = ("limits", "out", "steps", "work")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.steps = limits.steps
        self.work = limits.result * WORK
        self.out = limits.result

    def step(self, count: int = 1) -> None:
        """Charge steps."""
        self.steps -= count
        if self.steps < 0:
            raise Fault(f"it takes more than the {self.limits.steps:,} steps that it may")

    def make(self, size: int) -> None:
        """Charge the bytes of a text that is about to be built."""
        if size > self.limits.result:
            raise Fault(f"it would build a value of {size:,} bytes; {self.limits.result:,} is the most")
        self.work -= size
        if self.work < 0:
            raise Fault(f"it builds more than {self.limits.result * WORK:,} bytes on its way")

    def slots(self, count: int) -> None:
        """Charge a list of so many elements that is about to be built."""
        self.make(count * SLOT)

    def read(self, size: int) -> None:
        """Charge looking through so many bytes."""
        self.work -= size // READ
        if self.work < 0:
            raise Fault(f"it reads and builds more than {self.limits.result * WORK:,} bytes on its way")

    def emit(self, size: int) -> None:
        """Charge what goes into the result."""
        self.out -= size
        if self.out < 0:
            raise Fault(f"its result is larger than the {self.limits.result:,} bytes that it may be")
