"""The command line: `callboard WORD …`.

`words.py` has the words (with `talk.py`, `audit.py` and `board.py`), `place.py` finds the project and who
answers for it, `terminal.py` prints. This file is the way in and the way out: whatever happened becomes one
sentence and an exit code that scripts can use.

    0   done, and all is well
    1   it failed, or a check found something wrong
    2   the command, a setting or the input is wrong: the same again cannot succeed
    3   the server cannot be reached, or cannot do it now: later it may
    130 interrupted from the keyboard

It starts in a fraction of the time that a person notices, so anything heavy is imported by the word that
needs it.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence

DONE, FAILED, WRONG, UNAVAILABLE, INTERRUPTED = 0, 1, 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    from callboard.cli import terminal
    from callboard.errors import CallboardError

    as_json = "--json" in words
    _mind_the_streams()
    try:
        return _run(words)
    except CallboardError as error:
        terminal.complain(error, as_json=as_json)
        return exit_code(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left (`callboard log | head`). Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as fault:
        if fault.errno not in {errno.ENOSPC, errno.EIO, errno.EBADF}:
            raise
        # Python would try to write the rest once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.stderr.write(f"callboard: what was to be printed could not be written: {fault.strerror}.\n")
        return FAILED


def _mind_the_streams() -> None:
    """Print whatever a terminal can show, and nothing where there is no output at all."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for life
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def exit_code(error: Exception) -> int:
    """Return the exit code that says what kind of error this is."""
    from callboard import errors

    if isinstance(error, errors.BadInput | errors.NotFound | errors.AlreadyExists):
        return WRONG
    if isinstance(error, errors.Unavailable | errors.ActorError):
        return UNAVAILABLE if error.retryable else FAILED
    return FAILED


def _run(words: list[str]) -> int:
    from cyclopts import CycloptsError, UnusedCliTokensError

    from callboard.cli.words import app
    from callboard.errors import BadInput

    try:
        result = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except UnusedCliTokensError as fault:
        over = " ".join(map(repr, fault.unused_tokens or ()))
        command = " ".join(("callboard", *(fault.command_chain or ())))
        raise BadInput(f"Nothing takes {over} here: `{command} --help` shows what can be said.") from None
    except CycloptsError as fault:
        raise BadInput(" ".join(str(fault).split())) from None
    return result if isinstance(result, int) else DONE
