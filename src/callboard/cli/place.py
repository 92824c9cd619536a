"""Where a command works: the project folder, its settings, and who answers for its data.

A running server is asked through its door, since it alone may touch its files. When none runs, the same
question is answered from the files themselves. Which of the two it is, is decided by the lock, not by trying.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import Parameter

if TYPE_CHECKING:
    from callboard.config import Config
    from callboard.folder import DataFolder
    from callboard.web.client import Client

T = TypeVar("T")

FLAG_NAMES = {
    "data.folder": "--data",
    "door.host": "--host",
    "door.port": "--port",
    "log.level": "--log-level",
    "log.format": "--log-format",
}


@Parameter(name="*")
@dataclass(frozen=True)
class Place:
    """Which Callboard is meant.

    Parameters
    ----------
    project
        The project folder: `config/`, `bots/` and, unless told otherwise, `data/` are in it.
    data
        The data folder, when it is not where the settings say.
    as_json
        Print JSON, errors too.
    """

    project: Annotated[Path, Parameter(name=["--project", "--folder"], env_var="CALLBOARD_PROJECT")] = Path()
    data: Annotated[str | None, Parameter(name="--data")] = None
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False

    def config(self, **flags: object) -> Config:
        """Return the settings of this place; flags are named `section__key`."""
        from callboard import config
        from callboard.errors import ConfigInvalid

        if self.data is not None and not self.data.strip():
            raise ConfigInvalid("--data names no folder: leave it out, or name one.")
        given: dict[str, Any] = {name.replace("__", "."): value for name, value in flags.items()}
        if self.data is not None:
            # A path on the command line is seen from where the command was typed.
            given["data.folder"] = str(Path(self.data).expanduser().absolute())
        return config.load(self.project, environ=os.environ, flags=given, flag_names=FLAG_NAMES)

    def folder(self) -> DataFolder:
        """Return the data folder of this place."""
        from callboard.errors import StartRefused
        from callboard.folder import DataFolder

        folder = DataFolder(self.config().data_folder)
        if folder.path.exists() and not folder.path.is_dir():
            raise StartRefused(f"{folder.path} cannot be a data folder: it is a file. Name another one.")
        return folder

    def again(self, *words: str) -> str:
        """Return how another word is called for this same place, as one would type it."""
        called = Path(sys.argv[0])
        command = "callboard" if called.name != "callboard" or shutil.which("callboard") else str(called)
        place = [] if self.project == Path() else ["--project", str(self.project)]
        place += [] if self.data is None else ["--data", self.data]
        return shlex.join([command, *words, *place])

    def client(self) -> Client:
        """Return a client of the running server, or raise `ServerUnreachable`."""
        from callboard.web.client import Client

        return Client.find(self.folder())

    def ask(self, server: Callable[[Client], T], files: Callable[[Config], Coroutine[Any, Any, T]]) -> T:
        """Ask the running server, or the files when none runs."""
        folder = self.folder()
        if folder.holder() is not None:
            with self.client() as client:
                return server(client)
        return self.offline(files)

    def offline(
        self, files: Callable[[Config], Coroutine[Any, Any, T]], *, database_needed: bool = True
    ) -> T:
        """Run a function over the files, with warnings going to standard error."""
        import asyncio

        from callboard import logs
        from callboard.errors import NotFound

        config, folder = self.config(), self.folder()
        if database_needed and not folder.database.exists():
            raise NotFound(f"There is no database in {folder.path} yet: `callboard up` makes it.")
        logs.configure("warning", config.log.format)
        return asyncio.run(files(config))


HERE = Place()
"""The folder in which the command was typed."""
