"""Loading of `actions/`: every file of it, and the functions that are marked with `@action`.

As with `bots/`, a file that cannot be imported is reported with its line and the others load, and two actions
of one name are both left out.
"""

from __future__ import annotations

import importlib
import sys
import traceback
import types
from pathlib import Path

from callboard.authoring.loading import Fault
from callboard.errors import CallboardError
from callboard.planning.step import Action, marked

MODULES = "callboard_actions"
"""Under this name the files of the folder are imported: `actions/claims.py` is `callboard_actions.claims`."""


def load_actions(folder: Path) -> tuple[dict[str, Action], list[Fault]]:
    """Import every file of a folder and return the actions in it, by name, and what is wrong."""
    found: dict[str, list[tuple[Action, Path]]] = {}
    faults: list[Fault] = []
    _open(folder.absolute())
    for file in sorted(folder.glob("*.py")) if folder.is_dir() else []:
        if file.name.startswith("_"):
            continue
        name = f"{MODULES}.{file.stem}"
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a file of actions is anybody's code
            faults.append(_fault(file, error))
            continue
        for value in list(vars(module).values()):
            one = marked(value)
            if one is not None and one.function.__module__ == name:
                found.setdefault(one.name, []).append((one, file))
    for name, same in found.items():
        if len(same) > 1:
            where = " and ".join(f"{one.function.__qualname__} in {file.name}" for one, file in same)
            text = f"two actions are called {name!r}: {where}; neither is there until one has another name"
            faults.append(Fault(str(same[0][1]), None, text))
    return {name: same[0][0] for name, same in found.items() if len(same) == 1}, faults


def raised_at(error: BaseException) -> str | None:
    """Return the last line of `actions/` that an exception passed, such as `actions/claims.py:14`."""
    package = sys.modules.get(MODULES)
    if package is None:
        return None
    (folder,) = map(Path, package.__path__)
    passed = [(Path(one.filename), one.lineno) for one in traceback.extract_tb(error.__traceback__)]
    inside = [(file, line) for file, line in passed if folder in file.parents]
    return f"{inside[-1][0].relative_to(folder.parent).as_posix()}:{inside[-1][1]}" if inside else None


def _open(folder: Path) -> None:
    """Make the folder a package, so that its files can share what they say; forget an earlier one."""
    for name in [name for name in sys.modules if name == MODULES or name.startswith(f"{MODULES}.")]:
        del sys.modules[name]
    package = types.ModuleType(MODULES)
    package.__path__ = [str(folder)]
    sys.modules[MODULES] = package
    importlib.invalidate_caches()


def _fault(file: Path, error: BaseException) -> Fault:
    """Return what is wrong with a file, at the deepest line of it that the error passed."""
    imported = str(file.absolute())
    if isinstance(error, SyntaxError) and error.filename == imported:
        return Fault(str(file), error.lineno, f"SyntaxError: {error.msg}")
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == imported]
    message = error.message if isinstance(error, CallboardError) else f"{type(error).__name__}: {error}"
    return Fault(str(file), lines[-1] if lines else None, message)
