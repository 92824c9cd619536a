"""What a client asks of workflows, their versions and their drafts: `client.workflows`."""

from __future__ import annotations

from typing import Protocol, TypeVar

import msgspec

from callboard.web import runs, workflows
from callboard.web.targets import given, part

T = TypeVar("T")


class Call(Protocol):
    """The way through the door."""

    def __call__(
        self,
        verb: str,
        path: str,
        kind: type[T],
        *,
        query: dict[str, str] | None = None,
        body: msgspec.Struct | None = None,
    ) -> T:
        """Return what the server says, or raise what it refuses with."""


class WorkflowsClient:
    """One caller, as far as workflows go."""

    def __init__(self, call: Call) -> None:
        self._call = call

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────

    def list(
        self,
        *,
        owner: str | None = None,
        status: str | None = None,
        search: str | None = None,
        after: str | None = None,
        limit: int = 1000,
    ) -> workflows.WorkflowList:
        """Return a page of workflows, by name."""
        query = given(owner=owner, status=status, search=search, after=after, limit=limit)
        return self._call("GET", "/workflows", workflows.WorkflowList, query=query)

    def read(self, name: str, version: int | None = None) -> workflows.WorkflowDetail:
        """Return a workflow in one version, or in the active one."""
        return self._call("GET", _at(name), workflows.WorkflowDetail, query=given(version=version))

    def versions(self, name: str, *, before: int | None = None, limit: int = 100) -> workflows.VersionList:
        """Return a page of versions, the newest first."""
        query = given(before=before, limit=limit)
        return self._call("GET", _at(name, "versions"), workflows.VersionList, query=query)

    def version(self, name: str, version: int) -> workflows.VersionDetail:
        """Return one version, whole."""
        return self._call("GET", _at(name, f"versions/{version}"), workflows.VersionDetail)

    def diff(self, name: str, old: str | None = None, new: str | None = None) -> workflows.Diff:
        """Return what differs between two versions, or one and the draft."""
        return self._call("GET", _at(name, "diff"), workflows.Diff, query=given(old=old, new=new))

    # ── drafts ───────────────────────────────────────────────────────────────────────────────────────────

    def create(self, text: str, name: str | None = None) -> workflows.Draft:
        """Make a workflow that is a draft."""
        body = workflows.DraftRequest(text=text, name=name)
        return self._call("POST", "/workflows", workflows.Draft, body=body)

    def draft(self, name: str) -> workflows.Draft:
        """Return a draft, with what is wrong with it."""
        return self._call("GET", _at(name, "draft"), workflows.Draft)

    def save(self, name: str, text: str, revision: int) -> workflows.Draft:
        """Save a draft on top of the one at a revision; 0 is where there is none."""
        body = workflows.SaveRequest(text=text, revision=revision)
        return self._call("PUT", _at(name, "draft"), workflows.Draft, body=body)

    def drop(self, name: str, revision: int | None = None) -> workflows.WorkflowState:
        """Throw a draft away."""
        query = given(revision=revision)
        return self._call("DELETE", _at(name, "draft"), workflows.WorkflowState, query=query)

    def delete(self, name: str) -> workflows.WorkflowState:
        """Take a workflow away that was never published."""
        return self._call("DELETE", _at(name), workflows.WorkflowState)

    def validate(self, name: str) -> workflows.Validation:
        """Check a draft."""
        return self._call("POST", _at(name, "validate"), workflows.Validation, body=runs.NothingMore())

    # ── what runs ────────────────────────────────────────────────────────────────────────────────────────

    def publish(self, text: str, *, activate: bool = True) -> workflows.Published:
        """Check a workflow file, and see that it is a version, and the one that runs."""
        body = workflows.PublishRequest(text=text, activate=activate)
        return self._call("POST", "/workflows/publish", workflows.Published, body=body)

    def publish_draft(
        self, name: str, revision: int | None = None, *, activate: bool = True
    ) -> workflows.Published:
        """Make a draft the next version."""
        body = workflows.PublishDraftRequest(revision=revision, activate=activate)
        return self._call("POST", _at(name, "publish"), workflows.Published, body=body)

    def archive(self, name: str, reason: str = "") -> workflows.WorkflowState:
        """Let no more runs start."""
        body = workflows.ArchiveRequest(reason=reason)
        return self._call("POST", _at(name, "archive"), workflows.WorkflowState, body=body)

    def reactivate(self, name: str, version: int | None = None) -> workflows.WorkflowState:
        """Let runs of an archived workflow start again."""
        body = workflows.ReactivateRequest(version=version)
        return self._call("POST", _at(name, "reactivate"), workflows.WorkflowState, body=body)

    def activate(self, name: str, version: int) -> workflows.WorkflowState:
        """Let runs get this version from here on."""
        body = workflows.ActivateRequest(version=version)
        return self._call("POST", _at(name, "activate"), workflows.WorkflowState, body=body)


def _at(name: str, below: str = "") -> str:
    return f"/workflows/{part(name)}" + (f"/{below}" if below else "")
