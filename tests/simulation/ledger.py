"""The ledger: what was asked for, in plain words, and what each caller was told.

The workload writes it, the model reads it; it knows nothing of Callboard.

Each thing that is noted has a number in one count, so that "before" and "after" can be asked of any two. The
same lines make the trace, by whose hash two runs of a seed are compared.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Own:
    """A fact of the same turn, by its index."""

    index: int


Where = int | Own | None

# ── facts ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Appended:
    """Events for one stream, each as its type and data."""

    stream: str
    expected: int
    facts: tuple[tuple[str, dict[str, Any]], ...]
    cause: Where = None


@dataclass(frozen=True)
class Said:
    sender: str
    kind: str
    to: str
    body: str
    cause: Where = None


@dataclass(frozen=True)
class Did:
    """The mark of the turn: each has exactly one, at any place, and it is never pruned."""


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Settled:
    """A cursor moved."""

    bot: str
    at: int | Own


@dataclass(frozen=True)
class Delivered:
    bot: str
    message: int | Own
    outcome: str
    attempts: int


@dataclass(frozen=True)
class Snapped:
    stream: str
    version: int
    count: int
    crc: int


@dataclass(frozen=True)
class Slept:
    wait: str
    owner: str
    key: str


@dataclass(frozen=True)
class Answered:
    wait: str
    at: int | Own


@dataclass(frozen=True)
class Woken:
    """A wait closed."""

    wait: str


@dataclass(frozen=True)
class Armed:
    """A timer kept."""

    timer: str
    due: int
    kind: str


@dataclass(frozen=True)
class Disarmed:
    timer: str


Op = Appended | Said | Did | Settled | Delivered | Snapped | Slept | Answered | Woken | Armed | Disarmed


def facts_in(op: Op) -> int:
    """Tell how many positions an op takes."""
    if isinstance(op, Appended):
        return len(op.facts)
    return 1 if isinstance(op, Said | Did) else 0


@dataclass(eq=False)
class Intent:
    """One turn: what it was to hold, and what its caller was told."""

    number: int
    caller: str
    life: int
    ops: list[Op]
    may: frozenset[str]
    """Codes it may rightly be refused with, beside those of a failing store."""
    doomed: bool
    """It must be refused, with one of `may`."""
    at: int = 0
    handed: int = 0
    handed_at: float = 0.0
    room: bool = True
    """There was room at once when it was handed in, so it counts as accepted from then on."""
    outcome: str = "open"
    answered: int = 0
    code: str = ""
    conflict: tuple[int, int] | None = None
    first: int = 0
    found: bool | None = None
    """What an inspection saw after the life it belongs to; from then on it must stay so."""

    @property
    def size(self) -> int:
        return sum(facts_in(op) for op in self.ops)

    @property
    def mark(self) -> int:
        """The index of its mark among its facts."""
        before = itertools.takewhile(lambda op: not isinstance(op, Did), self.ops)
        return sum(facts_in(op) for op in before)


@dataclass(frozen=True)
class Seen:
    """What one reader saw while it paged: every fact after a position, up to the last."""

    reader: str
    after: int
    facts: dict[int, tuple[str, str, str]]


@dataclass
class Ledger:
    """All that happened, as it looked from outside."""

    intents: list[Intent] = field(default_factory=list)
    prunings: list[tuple[int, int, int]] = field(default_factory=list)
    """The number, and the two instants before which messages and ended streams might go."""
    injected: list[int] = field(default_factory=list)
    """When the disk misbehaved."""
    unwell: list[int] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    folds: list[tuple[str, int, int, int]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What callers saw with their own eyes and must not have."""
    deaf: bool = False
    """The process is dead: nobody is there to note anything."""
    life: int = 0
    _count: int = 0
    _trace: Any = field(default_factory=hashlib.sha256)
    lines: list[str] | None = None
    """The trace in words, where somebody wants to read it."""

    def note(self, *words: object) -> int:
        """Write a line, and return its number."""
        if self.deaf:
            return self._count
        self._count += 1
        line = " ".join(map(str, words))
        self._trace.update(line.encode() + b"\n")
        if self.lines is not None:
            self.lines.append(f"{self._count} {line}")
        return self._count

    @property
    def count(self) -> int:
        """How many lines there are."""
        return self._count

    def trace(self) -> str:
        """Return the hash of all lines so far."""
        return str(self._trace.hexdigest())

    def intend(
        self, caller: str, ops: list[Op], *, may: frozenset[str] = frozenset(), doomed: bool = False
    ) -> Intent:
        """Write down a turn that somebody is about to hand in."""
        intent = Intent(len(self.intents), caller, self.life, ops, may, doomed)
        if not self.deaf:
            self.intents.append(intent)
        return intent

    def complain(self, *words: object) -> None:
        """Write down what must not have been seen."""
        if not self.deaf:
            self.complaints.append(" ".join(map(str, words)))

    def acknowledged(self, intent: Intent, first: int) -> None:
        if not self.deaf:
            intent.outcome, intent.first = "acknowledged", first
            intent.answered = self.note("acknowledged", intent.number, first)

    def refused(self, intent: Intent, code: str, conflict: tuple[int, int] | None = None) -> None:
        if not self.deaf:
            intent.outcome, intent.code, intent.conflict = "refused", code, conflict
            intent.answered = self.note("refused", intent.number, code)

    def gave_up(self, intent: Intent, why: str) -> None:
        """The caller never got an answer."""
        if not self.deaf:
            intent.outcome, intent.code = "gave up", why
            intent.answered = self.note("gave up", intent.number, why)
