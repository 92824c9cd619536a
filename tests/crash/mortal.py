"""A real server that dies at a commit of its own choice: put before `python -m callboard WORDS`.

The variable `DEATH` says where: `before FACT NUMBER` or `after FACT NUMBER`, the NUMBER-th commit of this
life that holds a fact of that type. What else it says (`attempt 3`, `effect 3`) is for the actions that the
server calls (`workday.py`); all others live until they are killed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from callboard import app
from callboard.cli import main
from callboard.store.port import Outcome
from callboard.store.turn import NewEvents, Turn
from callboard.stores.sqlite import SqliteStore


class Dying(SqliteStore):
    """A store whose process ends before or after one commit."""

    when, fact, left = (*os.environ.get("DEATH", "").split(), "", "", "")[:3]
    counted = 0

    async def commit(self, turns: Sequence[Turn]) -> list[Outcome]:
        entries = [one for turn in turns for one in turn.entries if isinstance(one, NewEvents)]
        holds = any(new.type.name == self.fact for one in entries for new in one.events)
        self.counted += holds
        ends = holds and self.counted == int(self.left)
        if ends and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        outcomes = await super().commit(turns)
        if ends and self.when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return outcomes


if __name__ == "__main__":
    vars(app)["SqliteStore"] = Dying
    sys.exit(main(sys.argv[sys.argv.index("callboard") + 1 :]))
