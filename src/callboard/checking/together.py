"""The check of files that lie together: each sees which workflows the others define.

A workflow may start another of the same folder, so the names of all files are known before the first is
checked; and two files cannot define one workflow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from callboard.checking import calls, check
from callboard.checking.triggers import webhooks
from callboard.planning.step import Catalogue
from callboard.workflow import Fault, Unreadable, in_order, read

SUFFIXES = (".yaml", ".yml", ".json")
"""Of files that hold workflows."""


def check_together(
    files: Mapping[str, bytes],
    *,
    catalogue: Catalogue | None = None,
    beside: Mapping[str, bytes] | None = None,
) -> dict[str, list[Fault]]:
    """Return the faults of each file; `beside` are files that are known and not themselves checked."""
    everything = {**(beside or {}), **files}
    known: dict[str, set[str]] = {}
    defined: dict[str, list[str]] = {}
    for file, data in everything.items():
        found = calls(data, catalogue=catalogue)
        if found is not None:
            known.setdefault(found[0], set()).update(found[1])
            defined.setdefault(found[0], []).append(file)
    faults = {file: check(data, catalogue=catalogue, workflows=known) for file, data in files.items()}
    for file, number, said in _taken(everything):
        if file in faults:
            place = read(files[file]).place(("on", number, "webhook"))
            faults[file] = in_order(
                [*faults[file], Fault(f"on[{number}].webhook", *place, "PATH_TAKEN", said)]
            )
    for name, where in defined.items():
        for file in set(where[1:]) & files.keys():
            faults[file] = in_order([*faults[file], _twice(files[file], name, where[0])])
    return faults


def _taken(files: Mapping[str, bytes]) -> Iterator[tuple[str, int, str]]:
    """Yield webhooks whose path a file before has for another workflow: file, entry, and a sentence."""
    owners: dict[str, tuple[str, str]] = {}
    for file, data in files.items():
        name, paths = webhooks(data)
        for number, path in paths:
            owner, where = owners.setdefault(path, (name, file))
            if owner != name:
                yield file, number, f"The path {path} leads to the workflow {owner} of {where} already."


def _twice(data: bytes, name: str, before: str) -> Fault:
    try:
        place = read(data).place(("name",))
    except Unreadable:  # a file that has a name was read before
        place = (1, 1)
    return Fault("name", *place, "NAME_TWICE", f"The workflow {name} is defined in {before} already.")
