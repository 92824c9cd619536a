"""What commands print: tables and colour for people, tabs for pipes, JSON for programs.

Results go to standard output, everything else to standard error. Text that came from outside is printed with
its control characters spelled out, since a terminal would obey them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from datetime import datetime

    from callboard.errors import CallboardError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: object) -> str:
    """Return text as it may be shown on a terminal: on one line, and without orders to it."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], str(text))


def coloured(stream: TextIO) -> bool:
    """Whether what goes to a stream may carry colours: a terminal that shows them, and nobody minds."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def document(value: object) -> None:
    """Print a value as one JSON document, indented when a person looks at it."""
    import msgspec

    text = msgspec.json.encode(value)
    if sys.stdout.isatty():
        text = msgspec.json.format(text, indent=2)
    sys.stdout.write(text.decode() + "\n")
    sys.stdout.flush()


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    styles: Sequence[str] = (),
    *,
    whole: str | None = None,
) -> None:
    """Print rows: as a table on a terminal, one under the other where that is too narrow, tabs elsewhere.

    The column `whole` is never folded: one takes it to hand it to another command.
    """
    cells = [[harmless(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        sys.stdout.writelines("\t".join(row) + "\n" for row in cells)
        sys.stdout.flush()
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if _least(heads, cells, whole) > console.width:
        _stacked(heads, cells)
        return
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head, style in zip(heads, styles or [""] * len(heads), strict=True):
        drawn.add_column(head, style=style, overflow="fold", no_wrap=head == whole)
    for row in cells:
        drawn.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    console.print(drawn)


_NARROW = 10
"""Cells that a column has at least where its text may be folded: in fewer, words fall apart."""


def _least(heads: Sequence[str], cells: Sequence[Sequence[str]], whole: str | None) -> int:
    """Return how many cells a table takes at least."""
    least = 0
    for number, head in enumerate(heads):
        longest = max(width(text) for text in [head, *(row[number] for row in cells)])
        least += (longest if head == whole else min(longest, _NARROW)) + 2
    return least


def _stacked(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Print each row as lines of its own."""
    longest = max(map(len, heads))
    for row in cells:
        told = (f"{head:<{longest}}  {text}" for head, text in zip(heads, row, strict=True) if text)
        say("", *told)


_COLOURS = {"ok": "green", "wrong": "bold red"}


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Give something to tell what long work is at; shown on a terminal, and gone when it is done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(harmless(text))


def say(*lines: str) -> None:
    """Print lines for people on standard output, the first in bold on a terminal."""
    for number, line in enumerate(lines):
        bold = number == 0 and bool(line) and coloured(sys.stdout)
        sys.stdout.write(f"\x1b[1m{harmless(line)}\x1b[0m\n" if bold else f"{harmless(line)}\n")
    sys.stdout.flush()


def lines(text: str) -> None:
    """Print text that may have several lines, each as it is."""
    sys.stdout.writelines(f"{harmless(line)}\n" for line in text.splitlines() or [""])
    sys.stdout.flush()


def file(text: str) -> None:
    """Print what is in a file: as it is, unless a terminal would obey it."""
    if sys.stdout.isatty():
        lines(text)
    else:
        sys.stdout.write(text)
        sys.stdout.flush()


def differences(text: str) -> None:
    """Print a unified diff, in the colours that people know it by."""
    for line in text.splitlines():
        colour = next((code for mark, code in _DIFF if line.startswith(mark)), "")
        shown = harmless(line)
        sys.stdout.write(
            f"\x1b[{colour}m{shown}\x1b[0m\n" if colour and coloured(sys.stdout) else f"{shown}\n"
        )
    sys.stdout.flush()


_DIFF = (("---", "1"), ("+++", "1"), ("@@", "36"), ("-", "31"), ("+", "32"))


def when(at: datetime | None) -> str:
    """Return a time as people read it, in UTC."""
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def told(place: str, severity: str, text: str) -> None:
    """Print a fault as a compiler does: its place, how grave it is, and the sentence."""
    place, text = harmless(place), harmless(text)
    if coloured(sys.stdout):
        colour = "1;31" if severity == "error" else "1;33"
        sys.stdout.write(f"\x1b[1m{place}:\x1b[0m \x1b[{colour}m{severity}:\x1b[0m {text}\n")
    else:
        sys.stdout.write(f"{place}: {severity}: {text}\n")
    sys.stdout.flush()


def source(number: str, line: str, before: int) -> None:
    """Print a line of source with its number, and a caret so many cells into it."""
    caret = "\x1b[1;32m^\x1b[0m" if coloured(sys.stdout) else "^"
    sys.stdout.write(f"{number:>6} | {line}\n       | {' ' * before}{caret}\n")
    sys.stdout.flush()


def width(text: str) -> int:
    """Return how many cells of a terminal a text takes: some characters take two, some none."""
    import unicodedata

    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) != 0 for character in text)


def typed(prompt: str) -> Iterator[str]:
    """Yield the lines that come in, each asked for where a person types them."""
    while True:
        if sys.stdin.isatty() and sys.stdout.isatty():
            sys.stdout.write(harmless(prompt))
            sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            return
        yield line.rstrip("\n")


def complain(error: CallboardError, *, as_json: bool) -> None:
    """Print an error on standard error: its sentence, or the whole of it as JSON."""
    if as_json:
        import msgspec

        said = {
            "code": error.details.get("code", error.code),
            "detail": error.message,
            "retryable": error.retryable,
            "details": error.details,
        }
        sys.stderr.write(msgspec.json.encode(said, enc_hook=str).decode() + "\n")
        return
    text = "\n".join(harmless(line) for line in error.message.splitlines())
    name = "\x1b[1;31mcallboard:\x1b[0m" if coloured(sys.stderr) else "callboard:"
    trace = error.details.get("correlation_id") if error.code == "INTERNAL" else None
    sys.stderr.write(f"{name} {text}" + (f" (correlation id {harmless(trace)})" if trace else "") + "\n")
