"""Template files that the tests share."""

from __future__ import annotations

from callboard.templates import Documents, Instantiable, accept

LETTERS = """
name: letters
description: What we write
documents:
  welcome:
    help: The first letter
    fields:
      customer: {schema: {type: string, minLength: 1}, help: Who gets it}
      amount: {schema: {type: integer, minimum: 0}, default: 7}
      lines:
        default: []
        schema: {type: array, items: {type: object, properties: {n: {type: integer}}, required: [n]}}
      note: {schema: {type: string}, required: false}
    body: |
      Dear {{ answers.customer }}, {{ answers.amount }}.
      {% for line in answers.lines %}- {{ line.n }}
      {% endfor %}{% if answers.note is defined %}{{ answers.note }}{% endif %}
    metadata:
      subject: "To {{ answers.customer }}"
      amount: "{{ answers.amount }}"
      tags: [plain, "{{ answers.lines | length }}"]
  bare: {body: "{{ answers }}"}
"""

WATCH = """
name: watch
config:
  folder: {schema: {type: string}}
  limit: {schema: {type: integer}, default: 5}
  tags: {schema: {type: array}, default: []}
  note: {required: false}
workflow:
  name: {$: "watch-{{ config.folder }}"}
  description: {$: "{{ config.note | default('none') }}"}
  vars: {folder: {$: "{{ config.folder }}"}, limit: {$: "{{ config.limit }}"}, tags: {$: "{{ config.tags }}"}}
  steps:
    - id: list
      uses: core.echo
      with: {message: "{{ vars.folder }} of {{ trigger.who }}"}
      next: [{to: tell, if: "vars.limit > 3"}]
    - id: tell
      uses: core.echo
      with: {message: {$: "{{ config.folder }}"}}
"""


def documents(text: str = LETTERS) -> Documents:
    """Return a set of documents, as version 3."""
    definition = accept(text).definition
    return Documents(definition.name, 3, definition)


def instantiable(text: str = WATCH) -> Instantiable:
    """Return the template of a workflow, as version 3."""
    definition = accept(text).definition
    return Instantiable(definition.name, 3, definition)
