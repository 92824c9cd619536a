"""Where a check writes down what it finds.

It is bounded: a hostile file can hold a fault in every one of its values, and neither time nor answer may
grow with that. Past `ENOUGH` errors nothing more is looked at, and a hint at what was meant is looked for
only so often.
"""

from __future__ import annotations

from collections.abc import Collection

from callboard.spelling import did_you_mean
from callboard.workflow.faults import MOST, Fault, Path, Severity, path_text
from callboard.workflow.nodes import Source

ENOUGH = 2 * MOST
COMPARISONS = 4_000
"""Names that may be compared for hints, in all: each takes some microseconds."""


class Enough(Exception):
    """So much is wrong that it makes no sense to look on."""


class Notes:
    """The faults of one file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.faults: list[Fault] = []
        self._comparisons = COMPARISONS
        self._errors = 0

    def error(self, path: Path, code: str, message: str, *, key: bool = False) -> None:
        """Write down what keeps the file from being used."""
        self._error(self.source.fault(path, code, _sentence(message), key=key))

    def warning(self, path: Path, code: str, message: str, *, key: bool = False) -> None:
        """Write down what looks wrong; of very many warnings only the first are kept."""
        if not self.warned_enough:
            said = _sentence(message)
            self.faults.append(self.source.fault(path, code, said, warning=True, key=key))

    @property
    def warned_enough(self) -> bool:
        """Whether further warnings would not be kept."""
        return len(self.faults) >= ENOUGH + self._errors

    def inside(
        self, path: Path, line: int, column: int, code: str, message: str, *, warning: bool = False
    ) -> None:
        """Write down what is wrong at a line and column of the text at a path."""
        place = self.source.within(path, line, column)
        severity: Severity = "warning" if warning else "error"
        fault = Fault(path_text(path), *place, code, _sentence(message), severity)
        if warning:
            self.faults.append(fault)
        else:
            self._error(fault)

    def _error(self, fault: Fault) -> None:
        self.faults.append(fault)
        self._errors += 1
        if self._errors >= ENOUGH:
            raise Enough

    def near(self, word: str, known: Collection[str]) -> str:
        """Return `; did you mean X?`, as long as there is patience for it."""
        if self._comparisons < len(known):
            return ""
        self._comparisons -= len(known)
        return did_you_mean(word, known)


def _sentence(message: str) -> str:
    """End a sentence that ends with a question as a question."""
    return message[:-1] if message.endswith("?.") else message
