"""Did you mean: what to say when a name is not known but one close to it is.

Every door that refuses unknown names (configuration, requests, workflow files, the CLI) ends its sentence
with this, so that a slip of the finger costs seconds.
"""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 64
"""Words of a hostile length are not compared: the comparison is quadratic."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the nearest known name, or nothing when none is near."""
    import difflib  # noqa: PLC0415  (only a mistake pays for it)

    names = list(known)
    if len(word) > LONGEST:
        return ""
    near = difflib.get_close_matches(word.lower(), [name.lower() for name in names], n=1, cutoff=0.6)
    if not near:
        return ""
    found = next(name for name in names if name.lower() == near[0])
    return f"; did you mean {found}?"


def no_such(what: str, name: str, known: Iterable[str]) -> str:
    """Return the sentence that refuses a name that nobody has: the same at every door."""
    return f"There is no {what} called {shown(name)}{did_you_mean(name, known) or '.'}"


def shown(value: object, limit: int = 60) -> str:
    """Return a value as it may stand in a sentence: quoted, on one line, and cut when long."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
