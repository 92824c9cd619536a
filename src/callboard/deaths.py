"""How often in a row the server died, and which run was alone at work when it did.

The file `callboard.deaths` of the data folder is there only after unclean stops, so those who never have any
pay nothing. It is written whole, synced and renamed, before a run that is under suspicion begins: what it
says survives whatever that run does. It is no truth of the log and may be lost: then counting begins anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import structlog

FILE = "callboard.deaths"

_log = structlog.get_logger("callboard.deaths")


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    stops: int = 0
    alone: str = ""
    runs: dict[str, int] = {}


class Deaths:
    """What is remembered from one life of the server to the next, as long as each ends uncleanly."""

    def __init__(self, folder: Path, *, left_open: bool) -> None:
        self._file = folder / FILE
        self._record = _Record()
        if not left_open:
            self.reset()
            return
        self._record = found = self._read()
        found.stops += 1
        if found.alone:
            found.runs[found.alone] = found.runs.get(found.alone, 0) + 1
            found.alone = ""
        self._write()

    @property
    def stops(self) -> int:
        """How many stops in a row were unclean."""
        return self._record.stops

    def of(self, run: str) -> int:
        """Return at how many deaths a run was alone in flight."""
        return self._record.runs.get(run, 0)

    def alone(self, run: str) -> None:
        """Write down that from now on this run is alone in flight."""
        self._record.alone = run
        self._write()

    def forget(self, run: str) -> None:
        """Hold nothing against a run any more; the next who is alone writes it down."""
        self._record.runs.pop(run, None)
        if self._record.alone == run:
            self._record.alone = ""

    def reset(self) -> None:
        """Begin anew: the server was stopped as it should be, or nobody is under suspicion any more."""
        self._record = _Record()
        try:
            self._file.unlink(missing_ok=True)
        except OSError as fault:
            _log.warning("deaths.not_written", file=str(self._file), reason=str(fault))

    def _read(self) -> _Record:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Record)
        except FileNotFoundError:
            return _Record()
        except (OSError, msgspec.MsgspecError) as fault:
            _log.warning("deaths.not_read", file=str(self._file), reason=str(fault))
            return _Record()

    def _write(self) -> None:
        fresh = self._file.with_name(FILE + ".new")
        try:
            with fresh.open("wb") as out:
                out.write(msgspec.json.encode(self._record))
                out.flush()
                os.fsync(out.fileno())
            fresh.replace(self._file)
        except OSError as fault:  # the runs go on all the same: it only takes longer to find the guilty one
            _log.warning("deaths.not_written", file=str(self._file), reason=str(fault))
