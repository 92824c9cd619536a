"""Programs as steps: what they are given, and what their end makes of the step.

    an exit code that `expect` lists   the output: {code, stdout, stderr}
    any other                          failed for good: EXIT_2, and the end of what it wrote to stderr
    past the time-out                  the whole group is ended, and the step is tried again
    more than an output may hold       the same, and failed: OUTPUT_TOO_LARGE

There is no shell: the first word is the program, and the others reach it as they are. It runs in the
project's folder. Its environment is empty but for `PATH`, what the step gives, and what says which attempt
this is. How it is run, and ended with all that it started, is in `program.py`.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from callboard.errors import BadInput, NotFound
from callboard.facts import encode
from callboard.outcome import Done, Fail, Failure, Outcome
from callboard.planning import catalogue
from callboard.steps.program import Started
from callboard.steps.work import Work, hidden

HOW = "write shell = true under [workflows] in config/callboard.toml, and start the server anew"
"""How steps of this kind are allowed."""
TOLD = 2_000
"""So many characters of the end of stderr are kept of a program that failed."""

_VARIABLE = re.compile(r"[^=\0]{1,200}")


async def run(work: Work) -> Outcome:
    """Run a program."""
    given = work.read(catalogue.Shell)
    programs = work.house.programs()
    started = _started(work, given, programs.folder)
    most = work.house.output_bytes
    ended = await programs.run(started, most)
    if ended.too_much:
        said = f"The program wrote more than the {most:,} bytes that an output may have, and was ended."
        return Fail(Failure("OUTPUT_TOO_LARGE", said))
    stdout, stderr = (data.decode(errors="replace") for data in (ended.stdout, ended.stderr))
    if ended.code in given.expect:
        return Done({"code": ended.code, "stdout": stdout, "stderr": stderr})
    stderr = hidden(stderr, work.secrets)
    details = {"code": ended.code, "stderr": stderr[-TOLD:]}
    name = Path(started.command[0]).name
    last = stderr.strip().rpartition("\n")[2][-200:]
    said = f"{name} ended with {ended.code}" + (f": {last}" if last else ".")
    return Fail(Failure(f"EXIT_{ended.code}", said, details))


def _started(work: Work, given: catalogue.Shell, folder: Path) -> Started:
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "CALLBOARD_RUN": work.attempt.run,
        "CALLBOARD_STEP": work.attempt.step,
        "CALLBOARD_IDEMPOTENCY_KEY": work.attempt.key,
    }
    for name, value in given.env.items():
        if _VARIABLE.fullmatch(name) is None:
            raise BadInput(f"with.env: {name[:100]!r} cannot be the name of a variable.")
        env[name] = _text(value, f"with.env.{name}")
    words = [_text(word, f"with.command[{number}]") for number, word in enumerate(given.command)]
    return Started([_find(words[0], env["PATH"], folder), *words[1:]], env, given.stdin)


def _text(word: catalogue.Word, where: str) -> str:
    """Return a word as a program is given it, or refuse what none can be given."""
    text = word if isinstance(word, str) else encode(word)
    try:
        unfit = b"\0" in os.fsencode(text)
    except UnicodeEncodeError:
        unfit = True
    if unfit:
        raise BadInput(f"{where}: it holds a character that no program can be given.")
    return text


def _find(name: str, path: str, folder: Path) -> str:
    """Return where a program is: on the PATH, or from the project's folder if a / is in its name."""
    found = shutil.which(str(folder / name) if "/" in name else name, path=path) if name else None
    if found is None:
        where = f"in {folder}" if "/" in name else "on the PATH"
        raise NotFound(f"with.command: there is no program {name[:200]!r} {where} that may be run.")
    return found
