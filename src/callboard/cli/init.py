"""Making a project folder: `callboard init`.

What it makes is in `beginning/`, as it will stand there: bots, an action, and a workflow that uses them; and
the settings, each at its default. A folder that holds one of these files already is left untouched.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from callboard.cli import DONE, terminal
from callboard.cli.place import HERE, Place

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

IGNORED = "# what Callboard has stored, and what Python makes\n/data/\n__pycache__/\n"
"""The `.gitignore`, unless there is one: whoever begins a project has often said `git init` before."""


def init(folder: Path | None = None, /, *, place: Place = HERE) -> int:
    """Make a project folder that runs: bots, an action, a workflow, and the settings with comments.

    Nothing is overwritten: where one of the files is there already, none is made.

    Parameters
    ----------
    folder
        Where, if not here; it is made if it is not there.
    """
    where = (place.project if folder is None else folder).expanduser()
    made = begin(where)
    if place.as_json:
        terminal.document({"folder": str(where.absolute()), "files": made})
        return DONE
    terminal.say(f"{where.absolute()} is ready", *(f"  {name}" for name in made))
    there = Place(project=where, data=place.data)
    terminal.say(
        "",
        f"start it:  {there.again('up')}",
        f"then ask:  {there.again('ask', 'greeter', 'Ada')}",
        f"and run:   {there.again('run', 'claims', '--input', 'amount=400', '--watch')}",
    )
    return DONE


def begin(folder: Path) -> list[str]:
    """Write the files of a new project and return their names, or write none of them."""
    from callboard.config import FILE, reference
    from callboard.errors import AlreadyExists, BadInput

    texts = {**_beginning(), FILE.as_posix(): reference()}
    there = [name for name in texts if (folder / name).exists() or (folder / name).is_symlink()]
    if there:
        listed = ", ".join(there)
        raise AlreadyExists(
            f"{folder} has {listed} already, so nothing was made: name a folder without them, "
            "such as `callboard init another`."
        )
    if not (folder / ".gitignore").exists():
        texts[".gitignore"] = IGNORED
    written: list[Path] = []
    try:
        for name, text in texts.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as new:
                written.append(file)
                new.write(text)
    except OSError as fault:
        for file in written:
            with contextlib.suppress(OSError):
                file.unlink()
        raise BadInput(f"{folder} cannot be made a project: {fault.strerror}: {fault.filename}.") from None
    return sorted(texts)


def _beginning() -> dict[str, str]:
    """Return the text of each file of `beginning/`, by its name there."""
    from importlib.resources import files

    found: dict[str, str] = {}

    def look(folder: Traversable, above: str) -> None:
        for one in sorted(folder.iterdir(), key=lambda one: one.name):
            if one.is_dir() and one.name != "__pycache__":
                look(one, f"{above}{one.name}/")
            elif one.is_file():
                found[f"{above}{one.name}"] = one.read_text(encoding="utf-8")

    look(files("callboard.cli") / "beginning", "")
    return found
