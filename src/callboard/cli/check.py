"""The words that look at files of workflows and templates: `check` and `schema`. Neither needs a server.

Faults are printed as a compiler prints them: the place, the sentence, the line of source and a caret under
what is meant. On a terminal errors are red and warnings yellow; with `--json` there is one document for all
files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from callboard.cli import DONE, FAILED, terminal
from callboard.cli.place import HERE, Place

if TYPE_CHECKING:
    from callboard.authoring.loading import Fault as FileFault
    from callboard.planning.step import Catalogue
    from callboard.workflow import Fault

FOLDER = Path("config", "workflows")
TEMPLATES = Path("config", "templates")
ACTIONS = Path("actions")
_WIDEST = 160
"""Characters of a line of source that are shown; a longer one is cut around the caret."""


def check(*files: Path, place: Place = HERE) -> int:
    """Check files of workflows and templates: everything that is wrong, without running anything.

    The exit code is 1 when there are errors; warnings alone leave it 0.

    Parameters
    ----------
    files
        Files or folders; config/workflows and config/templates of the project, if none are named.
    """
    from callboard.checking.together import check_together
    from callboard.templates import check as faults_of_template

    own, templates = (_files_in(place.project / folder) for folder in (FOLDER, TEMPLATES))
    chosen = [file for named in files for file in _files_of(named)] if files else [*own, *templates]
    kinds, broken = _kinds(place)
    texts = {str(file): _content(file) for file in dict.fromkeys(chosen)}
    named = {file.resolve() for file in chosen}
    beside = {str(file): _content(file) for file in own if file.resolve() not in named}
    where = (place.project / TEMPLATES).resolve()
    of_templates = {file: text for file, text in texts.items() if where in Path(file).resolve().parents}
    of_workflows = {file: text for file, text in texts.items() if file not in of_templates}
    found = check_together(of_workflows, catalogue=kinds, beside=beside)
    found |= {file: faults_of_template(text) for file, text in of_templates.items()}
    errors = len(broken) + sum(fault.severity == "error" for faults in found.values() for fault in faults)
    if place.as_json:
        _document(found, broken, errors)
    else:
        for fault in broken:
            terminal.say(f"{fault}")
        for file, faults in found.items():
            for one in faults:
                _print(file, texts[file], one)
        _sum_up(found, errors)
    return FAILED if errors else DONE


def schema(*, place: Place = HERE) -> int:
    """Print the JSON Schema of workflow files, for editors.

    Write it to a file, and name that file in the first line of a workflow:
    # yaml-language-server: $schema=../workflow.schema.json
    """
    from callboard.planning.schema import workflow_schema

    terminal.document(workflow_schema(_kinds(place)[0]))
    return DONE


def _kinds(place: Place) -> tuple[Catalogue, list[FileFault]]:
    """Return what steps of this project may use, its own actions among it."""
    from callboard.steps import here

    programs = place.config().workflows.shell
    folder = place.project / ACTIONS
    if not folder.is_dir():
        return here(programs=programs), []
    from callboard.authoring.registering import load_actions

    actions, broken = load_actions(folder)
    return here(actions, programs=programs), broken


def _files_in(folder: Path) -> list[Path]:
    return _files_of(folder) if folder.is_dir() else []


def _files_of(named: Path) -> list[Path]:
    from callboard.checking.together import SUFFIXES
    from callboard.errors import NotFound

    if named.is_dir():
        return sorted(file for file in named.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    if not named.exists():
        raise NotFound(f"There is no {named}: name a workflow file, or a folder of them.")
    return [named]


def _content(file: Path) -> bytes:
    """Return what is in a file, and of one that is too large only so much that it is seen to be."""
    from callboard.errors import BadInput
    from callboard.workflow.nodes import MOST_BYTES

    try:
        with file.open("rb") as stream:
            return stream.read(MOST_BYTES + 1)
    except OSError as fault:
        raise BadInput(f"{file} cannot be read: {fault.strerror}.") from None


def _print(file: str, data: bytes, fault: Fault) -> None:
    """Print one fault with its line of source and a caret."""
    path = f" ({fault.path})" if fault.path else ""
    text = f"{fault.message} [{fault.code}]{path}"
    terminal.told(f"{file}:{fault.line}:{fault.column}", fault.severity, text)
    lines = data.decode("utf-8-sig", "replace").splitlines()
    source = lines[fault.line - 1] if fault.line <= len(lines) else ""
    if source.strip():
        begin = max(0, fault.column - 1 - _WIDEST // 2) if len(source) > _WIDEST else 0
        number = str(fault.line)
        shown = terminal.harmless(source[begin : begin + _WIDEST].replace("\t", " "))
        before = terminal.harmless(source[begin : fault.column - 1].replace("\t", " "))
        terminal.source(number, shown, terminal.width(before))


def _sum_up(found: dict[str, list[Fault]], errors: int) -> None:
    warnings = sum(fault.severity == "warning" for faults in found.values() for fault in faults)
    if not found:
        said = f"No workflow files are in {FOLDER}, and no templates in {TEMPLATES}"
        terminal.say(f"{said}: name a file, or a folder.")
        return
    files = f"{len(found)} file{'s' if len(found) != 1 else ''} checked"
    told = [
        f"{count} {word}{'s' if count != 1 else ''}"
        for count, word in ((errors, "error"), (warnings, "warning"))
        if count
    ]
    terminal.say(f"{files}: {' and '.join(told) or 'all is well'}")


def _document(found: dict[str, list[Fault]], broken: list[FileFault], errors: int) -> None:
    import msgspec

    files: list[dict[str, object]] = [
        {"file": file, "faults": [msgspec.to_builtins(fault) for fault in faults]}
        for file, faults in found.items()
    ]
    actions = [{"file": str(one.file), "line": one.line, "message": one.message} for one in broken]
    terminal.document({"ok": not errors, "files": files, "actions": actions})
