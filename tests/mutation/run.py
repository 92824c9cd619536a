"""Breaks the product in every listed way, one at a time in a copy, and looks whether the tests notice.

    python -m tests.mutation.run            # all
    python -m tests.mutation.run doubt      # those with this word in their name
    python -m tests.mutation.run actors/    # or in the name of their file

Tests are run once on the copy as it is: what fails there would notice everything, and prove nothing.

Exit code 1 if a mutation went unnoticed, or could no longer be made, or its tests fail without it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutation.mutations import MUTATIONS, Mutation
from tests.mutation.of_asks import OF_ASKS
from tests.mutation.of_bots import OF_BOTS
from tests.mutation.of_rows import OF_ROWS
from tests.mutation.of_runs import OF_RUNS
from tests.mutation.of_story import OF_STORY
from tests.mutation.of_templates import OF_TEMPLATES
from tests.mutation.of_triggers import OF_TRIGGERS
from tests.mutation.of_waits import OF_OTHER_PARTS, OF_WAITS

ROOT = Path(__file__).parents[2]

ALL = (
    *MUTATIONS,
    *OF_ASKS,
    *OF_BOTS,
    *OF_ROWS,
    *OF_RUNS,
    *OF_STORY,
    *OF_TEMPLATES,
    *OF_TRIGGERS,
    *OF_WAITS,
    *OF_OTHER_PARTS,
)

LONGEST = 600.0
"""Seconds that tests of the product as it is may take."""


def run(tests: tuple[str, ...], copy: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run tests on the copy, and no longer than they may take."""
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*words, f"--basetemp={copy / 'tmp'}", *tests],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src"), "PROOF": "1"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def time_of(tests: tuple[str, ...], copy: Path, known: dict[tuple[str, ...], float]) -> float | None:
    """Return how long tests take while nothing is broken, or None if they fail."""
    if tests not in known:
        began = time.monotonic()
        done = run(tests, copy, LONGEST)
        if done.returncode != 0:
            return None
        known[tests] = time.monotonic() - began
    return known[tests]


def survives(mutation: Mutation, copy: Path, known: dict[tuple[str, ...], float]) -> str | None:
    """Break the copy, run the tests, mend it; return what is wrong, or None if the tests noticed."""
    file = copy / "src" / "callboard" / mutation.file
    text = file.read_text("utf-8")
    if text.count(mutation.old) != 1:
        return f"its text stands {text.count(mutation.old)} times in {mutation.file}: write it anew"
    usual = time_of(mutation.tests, copy, known)
    if usual is None:
        return "its tests fail without it"
    file.write_text(text.replace(mutation.old, mutation.new), "utf-8")
    try:
        done = run(mutation.tests, copy, max(60.0, 3 * usual))
    except subprocess.TimeoutExpired:
        return None  # they hang, and a run of the tests would be ended: noticed
    finally:
        file.write_text(text, "utf-8")
    return None if done.returncode == 1 else f"pytest ended with {done.returncode}:\n{done.stdout[-800:]}"


def main(words: list[str]) -> int:
    """Try the mutations that were asked for."""
    chosen = [one for one in ALL if all(word in f"{one.name} {one.file}" for word in words)]
    known: dict[tuple[str, ...], float] = {}
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("src", "tests", "pyproject.toml"):
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / part)
        for mutation in chosen:
            began = time.monotonic()
            wrong = survives(mutation, copy, known)
            failed += wrong is not None
            print(
                f"{'MISSED ' if wrong else 'noticed'} {time.monotonic() - began:5.1f} s  {mutation.name}",
                flush=True,
            )
            if wrong:
                print(f"        {wrong}")
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
