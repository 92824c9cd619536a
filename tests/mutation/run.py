"""Breaks the product in every listed way, one at a time in a copy, and looks whether the tests notice.

    python -m tests.mutation.run            # all
    python -m tests.mutation.run doubt      # those with this word in their name

Exit code 1 if a mutation went unnoticed, or could no longer be made.
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

ROOT = Path(__file__).parents[2]


def survives(mutation: Mutation, copy: Path) -> str | None:
    """Break the copy, run the tests, mend it; return what is wrong, or None if the tests noticed."""
    file = copy / "src" / "callboard" / mutation.file
    text = file.read_text("utf-8")
    if text.count(mutation.old) != 1:
        return f"its text stands {text.count(mutation.old)} times in {mutation.file}: write it anew"
    file.write_text(text.replace(mutation.old, mutation.new), "utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutation.tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy / "src"), "PROOF": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None  # they hang, and a run of the tests would be ended: noticed
    finally:
        file.write_text(text, "utf-8")
    return None if done.returncode == 1 else f"pytest ended with {done.returncode}:\n{done.stdout[-800:]}"


def main(words: list[str]) -> int:
    """Try the mutations that were asked for."""
    chosen = [one for one in MUTATIONS if all(word in one.name for word in words)]
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
            wrong = survives(mutation, copy)
            failed += wrong is not None
            print(f"{'MISSED ' if wrong else 'noticed'} {time.monotonic() - began:5.1f} s  {mutation.name}")
            if wrong:
                print(f"        {wrong}")
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
