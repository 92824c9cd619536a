"""The lines of the table that concern templates: publishing, rendering, and making drafts of them."""

from __future__ import annotations

from callboard import errors
from callboard.web import templates, wire, workflows
from callboard.web.api import paths
from callboard.web.api.route import Call, Route


async def list_templates(call: Call[templates.TemplatesQuery, None]) -> templates.TemplateList:
    """Return templates."""
    return await call.desk.templates.page(call.query)


async def read_template(call: Call[templates.TemplateQuery, None]) -> templates.TemplateDetail:
    """Return one template."""
    return await call.desk.templates.template(paths.template_name(call), call.query.version)


async def list_versions(call: Call[templates.TemplateVersionsQuery, None]) -> templates.TemplateVersionList:
    """Return the versions of a template."""
    return await call.desk.templates.versions(paths.template_name(call), call.query)


async def validate(call: Call[None, templates.TemplateText]) -> workflows.Validation:
    """Check a template file."""
    return await call.desk.templates.validate(call.body.text)


async def publish(call: Call[None, templates.TemplateText]) -> templates.TemplatePublished:
    """Publish a template file."""
    return await call.desk.templates.publish(call.body.text, call.principal)


async def render(call: Call[None, templates.RenderRequest]) -> templates.RenderedDocument:
    """Fill in a document."""
    return await call.desk.templates.render(paths.template_name(call), call.body)


async def preview(call: Call[None, templates.PreviewRequest]) -> templates.RenderedDocument:
    """Fill in a document of a file that was not published."""
    return await call.desk.templates.preview(call.body)


async def instantiate(call: Call[None, templates.InstantiateRequest]) -> workflows.Draft:
    """Make a workflow of a template, as a draft."""
    if call.body.name is not None:
        paths.checked_workflow(call.body.name, "$.name")
    return await call.desk.templates.instantiate(paths.template_name(call), call.body, call.principal)


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────

_PATH = f"{wire.API}/templates"
_READING = (errors.NotFound, errors.StoreUnavailable)
_WRITING = (
    *(errors.StoreUnavailable, errors.Conflict, errors.Unencodable, errors.TurnTooLarge),
    *(errors.ShuttingDown, errors.DiskFull, errors.OutcomeUnknown),
)
_FILLING = (errors.TemplateAnswers, errors.ExpressionFailed, errors.BadInput)

TEMPLATES: tuple[Route, ...] = (
    Route(
        verb="GET",
        path=_PATH,
        name="listTemplates",
        summary="Return templates, by name",
        handler=list_templates,
        query=templates.TemplatesQuery,
        answer=templates.TemplateList,
        scope="templates:read",
        errors=(errors.StoreUnavailable,),
    ),
    Route(
        verb="POST",
        path=f"{_PATH}/validate",
        name="validateTemplate",
        summary="Check a template file, and tell everything that is wrong with it",
        handler=validate,
        request=templates.TemplateText,
        answer=workflows.Validation,
        scope="templates:read",
    ),
    Route(
        verb="POST",
        path=f"{_PATH}/publish",
        name="publishTemplate",
        summary="Check a template file, and see that it is a version, and the active one",
        handler=publish,
        request=templates.TemplateText,
        answer=templates.TemplatePublished,
        scope="templates:manage",
        errors=(*_WRITING, errors.TemplateInvalid),
    ),
    Route(
        verb="POST",
        path=f"{_PATH}/preview",
        name="previewTemplate",
        summary="Fill in a document of a file that was not published",
        handler=preview,
        request=templates.PreviewRequest,
        answer=templates.RenderedDocument,
        scope="templates:read",
        errors=(*_FILLING, errors.TemplateInvalid, errors.NotFound),
    ),
    Route(
        verb="GET",
        path=f"{_PATH}/{{name}}",
        name="readTemplate",
        summary="Return a template in one of its versions",
        handler=read_template,
        query=templates.TemplateQuery,
        answer=templates.TemplateDetail,
        scope="templates:read",
        errors=_READING,
    ),
    Route(
        verb="GET",
        path=f"{_PATH}/{{name}}/versions",
        name="listTemplateVersions",
        summary="Return versions of a template, the newest first",
        handler=list_versions,
        query=templates.TemplateVersionsQuery,
        answer=templates.TemplateVersionList,
        scope="templates:read",
        errors=_READING,
    ),
    Route(
        verb="POST",
        path=f"{_PATH}/{{name}}/render",
        name="renderTemplate",
        summary="Fill in a document; no run takes place, and nothing is kept",
        handler=render,
        request=templates.RenderRequest,
        answer=templates.RenderedDocument,
        scope="templates:read",
        errors=(*_READING, *_FILLING, errors.VersionAltered),
    ),
    Route(
        verb="POST",
        path=f"{_PATH}/{{name}}/instantiate",
        name="instantiateTemplate",
        summary="Make a workflow of a template, as a draft",
        handler=instantiate,
        request=templates.InstantiateRequest,
        answer=workflows.Draft,
        status=201,
        scope="workflows:manage",
        errors=(
            *(errors.NotFound, *_WRITING, errors.AlreadyExists, errors.TemplateAnswers, errors.BadInput),
            errors.VersionAltered,
        ),
    ),
)
