"""Loading of `actions/`: every file of it, and the functions that are marked with `@action`; and again.

    workshop = Workshop(Path("actions"))
    changes = workshop.read()           # workshop.actions, and workshop.faults
    changes = workshop.read()           # what the files say now

As with `bots/`, a file that cannot be imported is reported with its line and the others load, and two actions
of one name are both left out. When a file that was good fails later, its actions stay as they were; so does
an action whose name a second one claims later.

If anything changed, every file is imported anew: an attempt that is under way ends on the code with which it
began, and the next one takes the new code.
"""

from __future__ import annotations

import importlib
import sys
import traceback
import types
from collections.abc import Mapping
from pathlib import Path

import msgspec

from callboard.authoring.loading import Fault, Finder, digests
from callboard.errors import CallboardError
from callboard.planning.step import Action, marked

MODULES = "callboard_actions"
"""Under this name the files of the folder are imported: `actions/claims.py` is `callboard_actions.claims`."""


class Changes(msgspec.Struct, frozen=True):
    """What became of the actions, by name."""

    added: list[str]
    replaced: list[str]
    """Their file changed, or what it may import from the folder."""
    gone: list[str]
    kept: list[str]
    """Nothing changed, or a fault keeps them on the code that they had."""


class _Made(msgspec.Struct, frozen=True):
    """An action, and what it was made of."""

    action: Action
    file: Path
    digest: bytes


class Workshop:
    """The folder, and the actions that were loaded from it last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, _Made] = {}
        self._seen: object = None
        """What all files said when they were last loaded without a fault."""
        self.faults: list[Fault] = []

    @property
    def actions(self) -> dict[str, Action]:
        """Return all that there are, by name."""
        return {name: one.action for name, one in self._made.items()}

    def read(self) -> Changes:
        """Import what the files say now, if anything changed; return what became of each action."""
        seen = digests(self._folder)
        if seen == self._seen:
            return Changes([], [], [], sorted(self._made))
        before = self._made
        earlier = _open(self._folder.absolute())
        found, faults, failed = self._import(seen[0])
        _put_back(earlier, failed)
        twice = {name: _twice(name, same) for name, same in found.items() if len(same) > 1}
        made = {name: same[0] for name, same in found.items() if name not in twice}
        stay = {name for name, one in before.items() if name in twice or one.file.stem in failed}
        made |= {name: before[name] for name in stay - made.keys()}
        self._made, self.faults = made, [*faults, *twice.values()]
        self._seen = None if self.faults else seen
        return _changes(before, made)

    def _import(self, files: Mapping[str, bytes]) -> tuple[dict[str, list[_Made]], list[Fault], set[str]]:
        """Return what the files define, by name, what is wrong, and which files cannot be imported."""
        found: dict[str, list[_Made]] = {}
        faults, failed = [], set()
        for stem, digest in files.items():
            file, name = self._folder / f"{stem}.py", f"{MODULES}.{stem}"
            try:
                module = importlib.import_module(name)
            except (Exception, SystemExit) as error:  # noqa: BLE001  a file of actions is anybody's code
                faults.append(_fault(file, error))
                failed.add(stem)
                continue
            for value in list(vars(module).values()):
                one = marked(value)
                if one is not None and one.function.__module__ == name:
                    found.setdefault(one.name, []).append(_Made(one, file, digest))
        return found, faults, failed


def load_actions(folder: Path) -> tuple[dict[str, Action], list[Fault]]:
    """Import every file of a folder and return the actions in it, by name, and what is wrong."""
    workshop = Workshop(folder)
    workshop.read()
    return workshop.actions, workshop.faults


def _twice(name: str, same: list[_Made]) -> Fault:
    where = " and ".join(f"{one.action.function.__qualname__} in {one.file.name}" for one in same)
    text = f"two actions are called {name!r}: {where}; neither is there until one has another name"
    return Fault(str(same[0].file), None, text)


def _changes(before: Mapping[str, _Made], now: Mapping[str, _Made]) -> Changes:
    both = before.keys() & now.keys()
    same = {name for name in both if before[name].digest == now[name].digest}
    return Changes(sorted(now.keys() - both), sorted(both - same), sorted(before.keys() - both), sorted(same))


def raised_at(error: BaseException) -> str | None:
    """Return the last line of `actions/` that an exception passed, such as `actions/claims.py:14`."""
    package = sys.modules.get(MODULES)
    if package is None:
        return None
    (folder,) = map(Path, package.__path__)
    passed = [(Path(one.filename), one.lineno) for one in traceback.extract_tb(error.__traceback__)]
    inside = [(file, line) for file, line in passed if folder in file.parents]
    return f"{inside[-1][0].relative_to(folder.parent).as_posix()}:{inside[-1][1]}" if inside else None


_FINDER = Finder(MODULES)


def _open(folder: Path) -> dict[str, types.ModuleType]:
    """Make the folder a package, so that its files can share what they say; return the modules it forgets."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    forgotten = [name for name in sys.modules if name.startswith(f"{MODULES}.")]
    earlier = {name: sys.modules.pop(name) for name in forgotten}
    package = types.ModuleType(MODULES)
    package.__path__ = [str(folder)]
    sys.modules[MODULES] = package
    return earlier


def _put_back(earlier: Mapping[str, types.ModuleType], failed: set[str]) -> None:
    """Give actions that stay the modules that they came from."""
    for stem in failed:
        module = earlier.get(f"{MODULES}.{stem}")
        if module is not None:
            sys.modules.setdefault(f"{MODULES}.{stem}", module)


def _fault(file: Path, error: BaseException) -> Fault:
    """Return what is wrong with a file, at the deepest line of it that the error passed."""
    imported = str(file.absolute())
    if isinstance(error, SyntaxError) and error.filename == imported:
        return Fault(str(file), error.lineno, f"SyntaxError: {error.msg}")
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == imported]
    message = error.message if isinstance(error, CallboardError) else f"{type(error).__name__}: {error}"
    return Fault(str(file), lines[-1] if lines else None, message)
