"""The language of workflows: templates and conditions, parsed once, evaluated within bounds.

    template("{{ trigger.lines }}").render(scope)            # [1, 2]: one whole {{ }} keeps its type
    template("{{ trigger.lines|length }} lines").render(scope)                               # "2 lines"
    condition("trigger.amount < vars.limit").holds(scope)    # Verdict(False, "… 700 < 500 is false")
    value({"to": "{{ trigger.name }}"}).render(scope)        # a JSON value whose texts are templates

The syntax is Jinja's and so is the parser; everything after it is ours. Read in this order: `limits` (what an
evaluation may use), `values` (what there is), `parsing` and `compiling` (text to tree to closures),
`operands`, `calls` and `statements` (what each node does), `operators`, `checks` and the filters, `segments`
(secrets), `rendering` (the outside). What a pipeline author needs to know is in docs/expressions.md.
"""

from __future__ import annotations

from callboard.expressions.calls import ALL_CHECKS as CHECKS
from callboard.expressions.calls import ALL_FILTERS as FILTERS
from callboard.expressions.keeping import seen_by
from callboard.expressions.limits import Limits
from callboard.expressions.parsing import is_template
from callboard.expressions.rendering import (
    Condition,
    Output,
    Template,
    Value,
    Verdict,
    condition,
    template,
    value,
)
from callboard.expressions.segments import Placed, Secret, Segments, Stored, resolve, restored, stored

__all__ = [
    "CHECKS",
    "FILTERS",
    "Condition",
    "Limits",
    "Output",
    "Placed",
    "Secret",
    "Segments",
    "Stored",
    "Template",
    "Value",
    "Verdict",
    "condition",
    "is_template",
    "resolve",
    "restored",
    "seen_by",
    "stored",
    "template",
    "value",
]
