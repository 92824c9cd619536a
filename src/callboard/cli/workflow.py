"""The words about workflows that were published: `workflow list` and `workflow show`."""

from __future__ import annotations

from cyclopts import App

from callboard.cli import DONE, terminal
from callboard.cli.board import remark
from callboard.cli.place import HERE, Place

workflow = App(name="workflow", help="Workflows that were published: list, show.")


@workflow.command(name="list")
def list_workflows(*, place: Place = HERE) -> int:
    """List the workflows that there are."""
    with place.client() as client:
        found = client.list_workflows()
    if place.as_json:
        terminal.document(found)
        return DONE
    rows = [
        (
            one.name,
            one.version,
            one.versions,
            f"{one.published_at:%Y-%m-%d %H:%M:%S}",
            one.owner,
            one.description,
        )
        for one in found.data
    ]
    terminal.table(("workflow", "version", "of", "published", "owner", "description"), rows)
    if not rows:
        remark("There is none yet: put a file into config/workflows, or try `callboard run FILE`.")
    return DONE


@workflow.command(name="show")
def show_workflow(name: str, /, *, version: int | None = None, place: Place = HERE) -> int:
    """Show a workflow: its steps, and its versions.

    Parameters
    ----------
    name
        Which workflow.
    version
        One of its versions; the active one if it is left out.
    """
    with place.client() as client:
        found = client.read_workflow(name, version)
    if place.as_json:
        terminal.document(found)
        return DONE
    terminal.say(f"{found.name} version {found.version}{' (active)' if found.active else ''}")
    for word, text in (("", found.description), ("owner: ", found.owner), ("checksum: ", found.checksum)):
        if text:
            terminal.say(word + text)
    terminal.table(
        ("step", "uses", "needs", "next"),
        [
            (one["id"], one["uses"], ", ".join(one.get("needs", ())), _targets(one.get("next", ())))
            for one in found.definition["steps"]
        ],
    )
    terminal.table(
        ("version", "active", "published", "by"),
        [
            (one.version, "yes" if one.active else "", f"{one.published_at:%Y-%m-%d %H:%M:%S}", one.principal)
            for one in found.history
        ],
    )
    return DONE


def _targets(edges: list[dict[str, str]]) -> str:
    """Return where edges lead; in a definition's one spelling they are a list."""
    return ", ".join(edge["to"] for edge in edges)
