"""Loading of `bots/`: every file of it, and the bots that each defines; and again, as often as one likes.

    library = Library(Path("bots"))
    found = library.read()              # found.bots, found.faults
    found = library.read()              # what changed meanwhile is imported anew, and nothing else

A file that cannot be imported is reported with its line, and the others load. Two bots of one name are both
left out: to run the wrong one of them could not be undone, to wait can.

A file is imported anew when its text changed, or that of a file which it may import from: one whose name
begins with _, one in a folder below, or another that it names. What did not change keeps its very classes, so
whoever compares them knows what to leave alone. When a file that was good fails, its earlier module is put
back: bots that go on with the old code find their own module, and not half of another.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import re
import sys
import traceback
import types
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from callboard.authoring.bot import Bot, Shape, shape_of
from callboard.errors import CallboardError

MODULES = "callboard_bots"
"""Under this name the files of the folder are imported: `bots/desk.py` is `callboard_bots.desk`.

They may import from each other, and from a file whose name begins with _, which defines no bots.
"""

_SIBLING = re.compile(rb"(?:callboard_(?:bots|actions)\.|from\s+\.)([A-Za-z_]\w*)")


class Loaded(msgspec.Struct, frozen=True):
    """One bot that was found."""

    cls: type[Bot]
    shape: Shape
    file: Path


class Fault(msgspec.Struct, frozen=True):
    """One thing that could not be loaded."""

    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{place}: {self.message}"


class Found(msgspec.Struct, frozen=True):
    """What the folder holds."""

    bots: list[Loaded]
    """By name."""
    faults: list[Fault]
    unclear: Mapping[str, Fault]
    """Bots of which nobody can tell what they are now, by name, and the fault that hides it."""


class _File(msgspec.Struct, frozen=True):
    """A file as it was last imported."""

    digest: bytes
    """Empty after a fault, which no text is: it is imported again the next time, changed or not."""
    bots: list[Loaded]
    """Those that it defined when it was last without a fault, or newer ones of the same names."""


def load(folder: Path) -> tuple[list[Loaded], list[Fault]]:
    """Import every file of a folder and return the bots in it, by name, and what is wrong."""
    found = Library(folder).read()
    return found.bots, found.faults


class Library:
    """The folder, and what of it was imported."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, _File] = {}
        self._shared: bytes | None = None

    def read(self) -> Found:
        """Import what changed since the last time, and return all that there is."""
        files, shared = digests(self._folder)
        same = {name for name, file in self._files.items() if files.get(name) == file.digest}
        keep = {f"{MODULES}.{name}" for name in same}
        if shared == self._shared:
            bots_files = files.keys() | self._files.keys()
            keep |= {name for name in _imported() if name.split(".")[1] not in bots_files}
        earlier = _open(self._folder, keep)
        bots: dict[str, list[Loaded]] = {}
        faults: list[Fault] = []
        unclear: dict[str, Fault] = {}
        read: dict[str, _File] = {}
        for name, digest in files.items():
            before = self._files.get(name, _File(b"", []))
            found, wrong = (before.bots, []) if name in same else _bots_of(self._folder / f"{name}.py")
            for one in found:
                bots.setdefault(one.shape.name, []).append(one)
            names = {one.shape.name for one in found}
            missed = [one for one in before.bots if wrong and one.shape.name not in names]
            unclear |= {one.shape.name: wrong[0] for one in missed}
            faults += wrong
            read[name] = _File(b"" if wrong else digest, [*found, *missed])
        self._files, self._shared = read, shared
        _put_back(earlier, self._folder)
        faults += _twice(bots, unclear)
        clear = [same[0] for name, same in sorted(bots.items()) if name not in unclear]
        return Found(clear, faults, unclear)


def _twice(bots: Mapping[str, list[Loaded]], unclear: dict[str, Fault]) -> list[Fault]:
    """Tell of names that more than one bot claims."""
    faults = []
    for name, same in bots.items():
        if len(same) > 1:
            where = " and ".join(f"{one.cls.__qualname__} in {one.file.name}" for one in same)
            text = f"two bots are called {name!r}: {where}; neither is started until one has another name"
            unclear[name] = Fault(str(same[0].file), None, text)
            faults.append(unclear[name])
    return faults


# ── what changed ─────────────────────────────────────────────────────────────────────────────────────────


def digests(folder: Path) -> tuple[dict[str, bytes], bytes]:
    """Return digests: of each file that defines things, with all that it may import; of what is shared."""
    texts: dict[str, bytes] = {}
    shared = hashlib.sha256(str(folder).encode())
    for file in sorted(folder.rglob("*.py")) if folder.is_dir() else []:
        text = b"unreadable"  # importing it will say why
        with contextlib.suppress(OSError):
            text = file.read_bytes()
        if file.parent != folder or file.name.startswith("_"):
            shared.update(f"{file}\0{len(text)}\0".encode() + text)
        else:
            texts[file.stem] = text
    named = {
        name: {found.decode() for found in _SIBLING.findall(text)} & texts.keys()
        for name, text in texts.items()
    }
    return {name: _digest(name, texts, named, shared.digest()) for name in texts}, shared.digest()


def _digest(name: str, texts: Mapping[str, bytes], named: Mapping[str, set[str]], shared: bytes) -> bytes:
    seen: set[str] = set()
    ahead = {name}
    while ahead:
        seen |= ahead
        ahead = set().union(*(named[one] for one in ahead)) - seen
    digest = hashlib.sha256(shared)
    for one in sorted(seen):
        digest.update(f"{one}\0{len(texts[one])}\0".encode() + texts[one])
    return digest.digest()


# ── importing ────────────────────────────────────────────────────────────────────────────────────────────


class _Fresh(importlib.machinery.SourceFileLoader):
    """Compiles a file each time: of one saved twice within a second, a compiled copy may be of the first."""

    def get_code(self, fullname: str) -> types.CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the files of the folder that is imported under a name."""

    def __init__(self, package: str) -> None:
        self._inside = f"{package}."

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if path is None or not fullname.startswith(self._inside):
            return None
        for folder in path:
            found = importlib.machinery.FileFinder(folder, (_Fresh, [".py"])).find_spec(fullname, target)
            if found is not None:
                return found
        return None


_FINDER = Finder(MODULES)


def _imported() -> list[str]:
    return [name for name in sys.modules if name.startswith(f"{MODULES}.")]


def _open(folder: Path, keep: set[str]) -> dict[str, types.ModuleType]:
    """Make the folder a package, so that its files can share what they say; return the modules it forgets."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    forgotten = {name: sys.modules.pop(name) for name in _imported() if name not in keep}
    package = types.ModuleType(MODULES)
    package.__path__ = [str(folder)]
    sys.modules[MODULES] = package
    for name in keep:
        setattr(package, name.split(".")[1], sys.modules[f"{MODULES}.{name.split('.')[1]}"])
    return forgotten


def _put_back(earlier: Mapping[str, types.ModuleType], folder: Path) -> None:
    """Give bots that go on with the old code the modules that they came from, where there are no new ones."""
    for name, module in earlier.items():
        file = Path(str(getattr(module, "__file__", "")))
        if file.is_relative_to(folder) and file.is_file():
            sys.modules.setdefault(name, module)


def _bots_of(file: Path) -> tuple[list[Loaded], list[Fault]]:
    name = f"{MODULES}.{file.stem}"
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a bot's file is anybody's code
        return [], [_fault(file, error)]
    bots, faults = [], []
    for value in list(vars(module).values()):
        if not isinstance(value, type) or value.__module__ != name:
            continue
        if issubclass(value, msgspec.Struct):
            _settle(value)
        if not issubclass(value, Bot):
            continue
        try:
            bots.append(Loaded(value, shape_of(value), file))
        except CallboardError as error:
            faults.append(Fault(str(file), value.__dict__.get("__firstlineno__"), error.message))
    return bots, faults


def _settle(struct: type[msgspec.Struct]) -> None:
    """Have annotations read now, while they are looked up in the module that wrote them."""
    with contextlib.suppress(Exception):  # one that cannot be read is told to whoever uses it
        msgspec.json.Decoder(struct)


def _fault(file: Path, error: BaseException) -> Fault:
    """Return what is wrong with a file, at the deepest line of it that the error passed."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return Fault(str(file), error.lineno, f"SyntaxError: {error.msg}")
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)
    ]
    message = error.message if isinstance(error, CallboardError) else f"{type(error).__name__}: {error}"
    return Fault(str(file), lines[-1] if lines else None, message)
