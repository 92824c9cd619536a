"""Loading of `bots/`: every file of it, and the bots that each defines.

A file that cannot be imported is reported with its line, and the others load. Two bots of one name are both
left out: to run the wrong one of them could not be undone, to wait can.
"""

from __future__ import annotations

import importlib
import sys
import traceback
import types
from pathlib import Path

import msgspec

from callboard.bot import Bot, Shape, shape_of
from callboard.errors import CallboardError

MODULES = "callboard_bots"
"""Under this name the files of the folder are imported: `bots/desk.py` is `callboard_bots.desk`.

They may import from each other, and from a file whose name begins with _, which defines no bots.
"""


class Loaded(msgspec.Struct, frozen=True):
    """One bot that was found."""

    cls: type[Bot]
    shape: Shape
    file: Path


class Fault(msgspec.Struct, frozen=True):
    """One thing that could not be loaded."""

    file: Path
    line: int | None
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{place}: {self.message}"


def load(folder: Path) -> tuple[list[Loaded], list[Fault]]:
    """Import every file of a folder and return the bots in it, by name, and what is wrong."""
    found: dict[str, list[Loaded]] = {}
    faults: list[Fault] = []
    _open(folder)
    for file in sorted(folder.glob("*.py")) if folder.is_dir() else []:
        if file.name.startswith("_"):
            continue
        bots, wrong = _bots_of(file)
        faults += wrong
        for one in bots:
            found.setdefault(one.shape.name, []).append(one)
    for name, same in found.items():
        if len(same) > 1:
            where = " and ".join(f"{one.cls.__qualname__} in {one.file.name}" for one in same)
            text = f"two bots are called {name!r}: {where}; neither is started until one has another name"
            faults.append(Fault(same[0].file, None, text))
    return [same[0] for _, same in sorted(found.items()) if len(same) == 1], faults


def _open(folder: Path) -> None:
    """Make the folder a package, so that its files can share what they say; forget an earlier one."""
    for name in [name for name in sys.modules if name == MODULES or name.startswith(f"{MODULES}.")]:
        del sys.modules[name]
    package = types.ModuleType(MODULES)
    package.__path__ = [str(folder)]
    sys.modules[MODULES] = package
    importlib.invalidate_caches()


def _bots_of(file: Path) -> tuple[list[Loaded], list[Fault]]:
    name = f"{MODULES}.{file.stem}"
    try:
        module = importlib.import_module(name)
    except Exception as error:  # noqa: BLE001  a bot's file is anybody's code
        return [], [_fault(file, error)]
    bots, faults = [], []
    for value in list(vars(module).values()):
        if not (isinstance(value, type) and issubclass(value, Bot)) or value.__module__ != name:
            continue
        try:
            bots.append(Loaded(value, shape_of(value), file))
        except CallboardError as error:
            faults.append(Fault(file, value.__dict__.get("__firstlineno__"), error.message))
    return bots, faults


def _fault(file: Path, error: Exception) -> Fault:
    """Return what is wrong with a file, at the deepest line of it that the error passed."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return Fault(file, error.lineno, f"SyntaxError: {error.msg}")
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)
    ]
    message = error.message if isinstance(error, CallboardError) else f"{type(error).__name__}: {error}"
    return Fault(file, lines[-1] if lines else None, message)
