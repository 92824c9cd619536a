"""The words about templates: `template …`. `check` and `preview` look at files and need no server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from callboard.cli import DONE, FAILED, terminal
from callboard.cli.board import remark
from callboard.cli.files import text_of
from callboard.cli.place import HERE, Place

if TYPE_CHECKING:
    from callboard.web.templates import TemplateDetail, TemplateVersionRow

template = App(
    name="template",
    help="Templates: list, show, versions, check, publish, preview, render, instantiate.",
)

Told = Annotated[list[str] | None, Parameter(negative="")]


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────


@template.command(name="list")
def list_templates(
    *,
    kind: Literal["document", "workflow"] | None = None,
    search: str | None = None,
    after: str | None = None,
    limit: int = 1000,
    place: Place = HERE,
) -> int:
    """List the templates that there are.

    Parameters
    ----------
    kind
        Only sets of documents, or only templates of workflows.
    search
        Only those whose name or description holds this.
    after
        The name at which an earlier page ended.
    limit
        How many at most, up to 1000.
    """
    with place.client() as client:
        found = client.templates.list(kind=kind, search=search, after=after, limit=limit)
    if place.as_json:
        terminal.document(found)
        return DONE
    rows = [
        (one.name, one.kind, one.version, one.versions, terminal.when(one.published_at), one.description)
        for one in found.data
    ]
    terminal.table(("template", "kind", "version", "of", "published", "description"), rows, whole="template")
    if not rows and any((kind, search, after)):
        remark("There is no such template.")
    elif not rows:
        remark(
            "There is none yet: put a file into config/templates, or try `callboard template publish FILE`."
        )
    if found.next is not None:
        remark(f"go on: {place.again('template', 'list', '--after', found.next)}")
    return DONE


@template.command(name="show")
def show_template(
    name: str,
    /,
    *,
    version: int | None = None,
    yaml: Annotated[bool, Parameter(negative="")] = False,
    place: Place = HERE,
) -> int:
    """Show a template: what it asks for, and its versions.

    Parameters
    ----------
    name
        Which template.
    version
        One of its versions; the active one if it is left out.
    yaml
        Print the template alone, as a file.
    """
    with place.client() as client:
        found = client.templates.read(name, version)
    if place.as_json:
        terminal.document(found)
        return DONE
    if yaml:
        terminal.file(found.text)
        return DONE
    terminal.say(f"{found.name} version {found.version} ({found.kind})")
    for word, text in (("", found.description), ("checksum: ", found.checksum)):
        if text:
            terminal.say(word + text)
    terminal.table(("document", "field", "takes", "must be told", "help"), _asked(found))
    _versions(found.history)
    return DONE


@template.command
def versions(name: str, /, *, before: int | None = None, limit: int = 100, place: Place = HERE) -> int:
    """List the versions of a template, the newest first.

    Parameters
    ----------
    name
        Which template.
    before
        The number at which an earlier page ended.
    limit
        How many at most, up to 1000.
    """
    with place.client() as client:
        found = client.templates.versions(name, before=before, limit=limit)
    if place.as_json:
        terminal.document(found)
        return DONE
    _versions(found.data)
    if found.next is not None:
        remark(f"go on: {place.again('template', 'versions', name, '--before', str(found.next))}")
    return DONE


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────


@template.command
def check(file: Path, /, *, place: Place = HERE) -> int:
    """Tell everything that is wrong with a template file; the exit code is 1 if it could not be published.

    Parameters
    ----------
    file
        Such as config/templates/letters.yaml.
    """
    import msgspec

    from callboard.templates import check as faults_of

    faults = faults_of(text_of(file))
    ok = not any(fault.severity == "error" for fault in faults)
    if place.as_json:
        terminal.document({"ok": ok, "faults": [msgspec.to_builtins(fault) for fault in faults]})
        return DONE if ok else FAILED
    for fault in faults:
        terminal.told(f"{file}:{fault.line}:{fault.column}", fault.severity, fault.message)
    if not faults:
        remark(f"{file} has no faults.")
    return DONE if ok else FAILED


@template.command
def publish(file: Path, /, *, place: Place = HERE) -> int:
    """Publish a template file: it is what is rendered or instantiated from here on.

    Parameters
    ----------
    file
        Such as config/templates/letters.yaml.
    """
    from callboard.errors import TemplateInvalid

    with place.client() as client:
        try:
            done = client.templates.publish(text_of(file))
        except TemplateInvalid as error:
            more = f"{error.message} `callboard template check {file}` shows all of it."
            raise TemplateInvalid(f"{file}: {more}", **error.details) from None
    if place.as_json:
        terminal.document(done)
        return DONE
    is_new = "" if done.created else ", which was there before"
    terminal.say(f"{done.name} version {done.version}{is_new}{': it is active' if done.activated else ''}")
    for warning in done.warnings:
        terminal.told(f"{file}:{warning.line}:{warning.column}", "warning", warning.message)
    return DONE


@template.command
def preview(
    file: Path,
    document: str | None = None,
    /,
    *,
    answer: Told = None,
    data: str | None = None,
    place: Place = HERE,
) -> int:
    """Show what would come of a template file; nothing is published, and it needs no server.

    Parameters
    ----------
    file
        Such as config/templates/letters.yaml.
    document
        Which of its documents; it need not be said if it has one.
    answer
        What a field asks for, as NAME=VALUE: a JSON value as it is, any other text as a text.
    data
        All answers, or the whole config, as JSON.
    """
    from callboard.errors import BadInput
    from callboard.templates import Documents, Instantiable, accept

    definition = accept(text_of(file)).definition
    answers = _given("--answer", answer, data)
    if definition.workflow is None:
        rendered = Documents(definition.name, None, definition).render(document, answers)
        return _rendered(rendered.body, rendered.metadata, place)
    if document is not None:
        raise BadInput(f"{file} is the template of a workflow: it has no documents.")
    text = Instantiable(definition.name, None, definition).instantiate(answers)
    if place.as_json:
        terminal.document({"text": text})
    else:
        terminal.file(text)
    return DONE


# ── using them ───────────────────────────────────────────────────────────────────────────────────────────


@template.command
def render(
    name: str,
    document: str | None = None,
    /,
    *,
    answer: Told = None,
    data: str | None = None,
    version: int | None = None,
    place: Place = HERE,
) -> int:
    """Fill in a document of a template that is published; no run takes place.

    Parameters
    ----------
    name
        Which template.
    document
        Which of its documents; it need not be said if it has one.
    answer
        What a field asks for, as NAME=VALUE: a JSON value as it is, any other text as a text.
    data
        All answers, as JSON.
    version
        One of its versions; the active one if it is left out.
    """
    from callboard.web.templates import RenderRequest

    request = RenderRequest(document=document, version=version, answers=_given("--answer", answer, data))
    with place.client() as client:
        rendered = client.templates.render(name, request)
    return _rendered(rendered.body, rendered.metadata, place)


@template.command
def instantiate(
    template_name: str,
    /,
    *,
    config: Told = None,
    data: str | None = None,
    name: str | None = None,
    version: int | None = None,
    place: Place = HERE,
) -> int:
    """Make a workflow of a template, as a draft.

    Parameters
    ----------
    template_name
        Which template.
    config
        What it asks for, as NAME=VALUE: a JSON value as it is, any other text as a text.
    data
        The whole config, as JSON.
    name
        Of the workflow; what the template says, if it is left out.
    version
        Of the template; the active one if it is left out.
    """
    from callboard.web.templates import InstantiateRequest

    request = InstantiateRequest(config=_given("--config", config, data), name=name, version=version)
    with place.client() as client:
        made = client.templates.instantiate(template_name, request)
    if place.as_json:
        terminal.document(made)
        return DONE
    terminal.say(f"draft of {made.name}, revision {made.revision}")
    for fault in made.faults:
        terminal.told(f"{made.name}:{fault.line}:{fault.column}", fault.severity, fault.message)
    remark(f"look: {place.again('workflow', 'draft', 'show', made.name)}")
    if made.ok:
        remark(f"publish it: {place.again('workflow', 'publish', made.name)}")
    return DONE


# ── how it is said ───────────────────────────────────────────────────────────────────────────────────────


def _given(flag: str, fields: list[str] | None, data: str | None) -> dict[str, Any]:
    from callboard.cli.run import given
    from callboard.errors import BadInput

    found = given(fields or [], data, flag=flag)
    if not isinstance(found, dict):
        raise BadInput("--data must be a JSON object, with a value for each field.")
    return found


def _rendered(body: str, metadata: dict[str, Any], place: Place) -> int:
    import json

    if place.as_json:
        terminal.document({"body": body, "metadata": metadata})
        return DONE
    terminal.file(body)
    for name, value in metadata.items():
        if value is not None:
            remark(f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    return DONE


def _asked(found: TemplateDetail) -> list[tuple[str, ...]]:
    """Return a row for each thing that a template asks for."""
    documents = found.definition.get("documents", {})
    sets = [(name, document.get("fields", {})) for name, document in documents.items()]
    rows: list[tuple[str, ...]] = []
    for name, fields in sets or [("", found.definition.get("config", {}))]:
        for field, said in fields.items():
            must = "" if "default" in said or not said.get("required", True) else "yes"
            takes = said.get("schema", {}).get("type", "")
            rows.append(
                (
                    name,
                    field,
                    takes if isinstance(takes, str) else " or ".join(takes),
                    must,
                    said.get("help", ""),
                )
            )
        if not fields:
            rows.append((name, "", "", "", ""))
    return rows


def _versions(rows: list[TemplateVersionRow]) -> None:
    terminal.table(
        ("version", "active", "published", "by"),
        [
            (one.version, "yes" if one.active else "", terminal.when(one.published_at), one.principal)
            for one in rows
        ],
    )
