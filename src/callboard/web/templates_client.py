"""What a client asks of templates: `client.templates`."""

from __future__ import annotations

from typing import Any

from callboard.web import templates, workflows
from callboard.web.targets import given, part
from callboard.web.workflows_client import Call


class TemplatesClient:
    """One caller, as far as templates go."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def list(
        self,
        *,
        kind: str | None = None,
        search: str | None = None,
        after: str | None = None,
        limit: int = 1000,
    ) -> templates.TemplateList:
        """Return a page of templates, by name."""
        query = given(kind=kind, search=search, after=after, limit=limit)
        return self._call("GET", "/templates", templates.TemplateList, query=query)

    def read(self, name: str, version: int | None = None) -> templates.TemplateDetail:
        """Return a template in one version, or in the active one."""
        return self._call("GET", _at(name), templates.TemplateDetail, query=given(version=version))

    def versions(
        self, name: str, *, before: int | None = None, limit: int = 100
    ) -> templates.TemplateVersionList:
        """Return a page of versions, the newest first."""
        query = given(before=before, limit=limit)
        return self._call("GET", _at(name, "versions"), templates.TemplateVersionList, query=query)

    def validate(self, text: str) -> workflows.Validation:
        """Check a template file."""
        body = templates.TemplateText(text=text)
        return self._call("POST", "/templates/validate", workflows.Validation, body=body)

    def publish(self, text: str) -> templates.TemplatePublished:
        """Check a template file, and see that it is a version, and the active one."""
        body = templates.TemplateText(text=text)
        return self._call("POST", "/templates/publish", templates.TemplatePublished, body=body)

    def preview(
        self, text: str, answers: dict[str, Any], document: str | None = None
    ) -> templates.RenderedDocument:
        """Fill in a document of a file that was not published."""
        body = templates.PreviewRequest(text=text, document=document, answers=answers)
        return self._call("POST", "/templates/preview", templates.RenderedDocument, body=body)

    def render(self, name: str, request: templates.RenderRequest) -> templates.RenderedDocument:
        """Fill in a document."""
        return self._call("POST", _at(name, "render"), templates.RenderedDocument, body=request)

    def instantiate(self, name: str, request: templates.InstantiateRequest) -> workflows.Draft:
        """Make a workflow of a template, as a draft."""
        return self._call("POST", _at(name, "instantiate"), workflows.Draft, body=request)


def _at(name: str, below: str = "") -> str:
    return f"/templates/{part(name)}" + (f"/{below}" if below else "")
