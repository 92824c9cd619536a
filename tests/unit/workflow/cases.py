"""Faulty workflow files, each with the one fault that it is about: the code, its path, its line."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    says: str
    text: str
    code: str
    path: str
    line: int
    severity: str = "error"


def step(rest: str, uses: str = "core.echo") -> str:
    """Return a workflow of one step with more in it, which begins in line 5."""
    return f"name: a\nsteps:\n  - id: one\n    uses: {uses}\n    {rest}\n"


def asked(consensus: str, answer: str) -> str:
    """Return a workflow that asks two bots; its consensus stands in line 5, what it asks in line 6."""
    with_ = f"with: {{bots: [a, b], question: x, answer: {{{answer}}}}}"
    return step(f"consensus: {{{consensus}}}\n    {with_}", "ask")


def steps(*lines: str) -> str:
    """Return a workflow with a step on each line, from line 3 on."""
    return "name: a\nsteps:\n" + "".join(f"  - {line}\n" for line in lines)


def top(rest: str) -> str:
    """Return a workflow with more at its top, which begins in line 3."""
    return f"name: a\nsteps: [{{id: one, uses: core.echo}}]\n{rest}\n"


def one(id_: str, rest: str = "") -> str:
    return f"{{id: {id_}, uses: core.set{', ' if rest else ''}{rest}}}"


READING = [
    Case("a file with nothing in it", "", "EMPTY", "", 1),
    Case("a file of comments", "# nothing\n", "EMPTY", "", 1),
    Case("a text", "hello\n", "WRONG_TYPE", "", 1),
    Case("a tab for a space", "name: a\nsteps:\n\t- id: x\n", "SYNTAX", "", 3),
    Case("a colon in a bare text", "name: a\ndescription: b: c\n", "SYNTAX", "", 2),
    Case("a key twice", "name: a\nsteps: []\nname: b\n", "KEY_TWICE", "", 3),
    Case("a key twice in JSON", '{"name": "a",\n "name": "b"}', "KEY_TWICE", "", 2),
    Case("JSON with a comma too many", '{"name": "a",\n "steps": [1,]}', "WRONG_TYPE", "steps[0]", 2),
    Case("JSON that ends too early", '{"name": "a",\n "steps": [', "SYNTAX", "", 2),
    Case("half of a surrogate pair in JSON", '{"name":\n "\\ud800"}', "SYNTAX", "", 2),
    Case("a tag", "name: a\nvars: !!python/name:os.system\n", "TAG_REFUSED", "", 2),
    Case("a merge key", "name: a\nvars:\n  <<: {b: 1}\n", "MERGE_REFUSED", "", 3),
    Case("a template that is not quoted", "name: a\noutput: {{ steps }}\n", "KEY_REFUSED", "", 2),
    Case("an alias of nothing", "name: a\nvars: *x\n", "ALIAS_UNKNOWN", "", 2),
    Case("an alias of what it stands in", "name: a\nvars: &x {a: *x}\n", "ALIAS_UNKNOWN", "", 2),
    Case("a second document", "name: a\n---\nname: b\n", "SYNTAX", "", 2),
    Case("a number without end", "name: a\nvars: {a: 99999999999999999999}\n", "NUMBER_TOO_LARGE", "", 2),
    Case("no number at all", "name: a\nvars: {a: .nan}\n", "NUMBER_TOO_LARGE", "", 2),
    Case("deep nesting", "name: a\nvars:\n " + "[" * 64 + "]" * 64 + "\n", "TOO_DEEP", "", 3),
    Case("many aliases", "a: &a 1\nb: [" + "*a, " * 101 + "]\n", "TOO_MANY_ALIASES", "", 2),
]

SHAPE = [
    Case("no name", "steps: [{id: one, uses: core.echo}]\n", "MISSING_FIELD", "", 1),
    Case("a name in capitals", "name: A\nsteps: [{id: one, uses: core.echo}]\n", "WRONG_VALUE", "name", 1),
    Case("no steps", "name: a\n", "MISSING_FIELD", "", 1),
    Case("an empty list of steps", "name: a\nsteps: []\n", "OUT_OF_BOUNDS", "steps", 2),
    Case("steps that are no list", "name: a\nsteps: {a: 1}\n", "WRONG_TYPE", "steps", 2),
    Case("a step that is nothing", "name: a\nsteps:\n  -\n", "WRONG_TYPE", "steps[0]", 3),
    Case("an unknown key", top("descripton: x"), "UNKNOWN_FIELD", "descripton", 3),
    Case("an unknown key of a step", step("tiemout: 5s"), "UNKNOWN_FIELD", "steps[0].tiemout", 5),
    Case("a number for a text", step("description: 5"), "WRONG_TYPE", "steps[0].description", 5),
    Case("a bare number of seconds", step("timeout: 30"), "WRONG_TYPE", "steps[0].timeout", 5),
    Case("a time-out of nothing", step("timeout: 0s"), "WRONG_VALUE", "steps[0].timeout", 5),
    Case("a duration in words", top("deadline: 1 day"), "WRONG_VALUE", "deadline", 3),
    Case("no attempts", step("retry: {attempts: 0}"), "OUT_OF_BOUNDS", "steps[0].retry.attempts", 5),
    Case("a word that is none of those", top("on_failure: stpo"), "WRONG_VALUE", "on_failure", 3),
    Case("yes, which is a word", step("retry: {rerender: yes}"), "WRONG_TYPE", "steps[0].retry.rerender", 5),
    Case("an again without a bound", step("again: {to: one}"), "MISSING_FIELD", "steps[0].again", 5),
    Case(
        "an again without end", step("again: {to: one, max: 1001}"), "OUT_OF_BOUNDS", "steps[0].again.max", 5
    ),
    Case("a join of nought", step("join: 0"), "OUT_OF_BOUNDS", "steps[0].join", 5),
    Case("a join by another word", step("join: some"), "WRONG_VALUE", "steps[0].join", 5),
    Case("an owner of another kind", top("owner: {person: x}"), "UNKNOWN_FIELD", "owner.person", 3),
    Case("an id that begins with a digit", steps(one("1a")), "WRONG_VALUE", "steps[0].id", 3),
    Case("an id with a dot", steps(one("a.b")), "WRONG_VALUE", "steps[0].id", 3),
    Case("an id twice", steps(one("x"), one("x")), "ID_TWICE", "steps[1].id", 4),
    Case(
        "a concurrency of none",
        top("concurrency: {key: x, limit: 0}"),
        "OUT_OF_BOUNDS",
        "concurrency.limit",
        3,
    ),
]

GRAPH = [
    Case("an edge to nowhere", steps(one("a", "next: [b]")), "TARGET_UNKNOWN", "steps[0].next[0]", 3),
    Case("an edge's to", steps(one("a", "next: {to: b}")), "TARGET_UNKNOWN", "steps[0].next.to", 3),
    Case("a need of nobody", steps(one("a", "needs: b")), "TARGET_UNKNOWN", "steps[0].needs", 3),
    Case(
        "an again to nowhere",
        steps(one("a", "again: {to: b, max: 1}")),
        "TARGET_UNKNOWN",
        "steps[0].again.to",
        3,
    ),
    Case("a cycle", steps(one("a", "next: b"), one("b", "next: a")), "CYCLE", "steps[0].next", 3),
    Case("a step after itself", steps(one("a", "needs: [a]")), "CYCLE", "steps[0].needs[0]", 3),
    Case(
        "an edge that is never looked at",
        steps(one("a", "route: first, next: [b, c]"), one("b"), one("c")),
        "UNREACHABLE",
        "steps[2].id",
        5,
    ),
    Case(
        "a join of two edges of which one is taken",
        steps(one("a", "route: first, next: [{to: b, if: 1 < 2}, b]"), one("b", "join: all")),
        "UNREACHABLE",
        "steps[1].id",
        4,
    ),
    Case(
        "a join of both ways out of a step",
        steps(one("a", "next: [b, {to: b, when: failure}]"), one("b", "join: all")),
        "UNREACHABLE",
        "steps[1].id",
        4,
    ),
    Case(
        "a condition that is false",
        steps(one("a", "next: {to: b, if: 'false'}"), one("b")),
        "UNREACHABLE",
        "steps[1].id",
        4,
    ),
    Case(
        "more to join than there are",
        steps(one("a", "next: b"), one("b", "join: 2")),
        "JOIN_NEVER",
        "steps[1].join",
        4,
    ),
    Case(
        "an again that goes forward",
        steps(one("a", "next: b, again: {to: b, max: 1}"), one("b")),
        "AGAIN_NOT_BEFORE",
        "steps[0].again.to",
        3,
    ),
    Case(
        "a step that stands alone",
        steps(one("a", "next: b"), one("b"), one("c")),
        "STEP_ALONE",
        "steps[2].id",
        5,
        "warning",
    ),
    Case(
        "an edge behind one that is always taken",
        steps(one("a", "route: first, next: [b, c]"), one("b", "next: c"), one("c")),
        "EDGE_NEVER",
        "steps[0].next[1]",
        3,
        "warning",
    ),
    Case(
        "a need twice",
        steps(one("a"), one("b", "needs: [a, a]")),
        "EDGE_TWICE",
        "steps[1].needs[1]",
        4,
        "warning",
    ),
    Case(
        "nobody who looks at failures",
        step("with: {url: 'http://x'}", "http.request"),
        "NO_FAILURE_PATH",
        "steps",
        2,
        "warning",
    ),
    Case(
        "an output that nobody uses",
        steps("{id: a, uses: core.echo}", one("b")),
        "OUTPUT_UNUSED",
        "steps[0].id",
        3,
        "warning",
    ),
]

KINDS = [
    Case("an unknown kind", step("with: {}", "core.ecko"), "USES_UNKNOWN", "steps[0].uses", 4),
    Case("a kind that is coming", step("with: {}", "slack.post"), "USES_UNAVAILABLE", "steps[0].uses", 4),
    Case("an unknown parameter", step("with: {mesage: x}"), "UNKNOWN_FIELD", "steps[0].with.mesage", 5),
    Case(
        "a parameter that is missing", step("with: {}", "http.request"), "MISSING_FIELD", "steps[0].with", 5
    ),
    Case(
        "a URL that is none",
        step("with: {url: ftp://x}", "http.request"),
        "WRONG_VALUE",
        "steps[0].with.url",
        5,
    ),
    Case(
        "a method that is none",
        step("with: {url: 'http://x', method: GOT}", "http.request"),
        "WRONG_VALUE",
        "steps[0].with.method",
        5,
    ),
    Case(
        "a status that is none",
        step("with: {url: 'http://x', expect: [20]}", "http.request"),
        "OUT_OF_BOUNDS",
        "steps[0].with.expect[0]",
        5,
    ),
    Case(
        "two bodies",
        step("with: {url: 'http://x', json: 1, body: b}", "http.request"),
        "WRONG_VALUE",
        "steps[0].with.body",
        5,
    ),
    Case("a delay without an end", step("with: {}", "core.delay"), "WRONG_VALUE", "steps[0].with", 5),
    Case(
        "a moment that is none",
        step("with: {until: yesterday}", "core.delay"),
        "WRONG_VALUE",
        "steps[0].with.until",
        5,
    ),
    Case(
        "a moment that no clock shows",
        step("with: {until: '0001-01-01T00:00:00+10:00'}", "core.delay"),
        "WRONG_VALUE",
        "steps[0].with.until",
        5,
    ),
    Case(
        "a moment without a zone",
        step("with: {until: '2030-01-31T07:00:00'}", "core.delay"),
        "WRONG_VALUE",
        "steps[0].with.until",
        5,
    ),
    Case(
        "a bot's name that is none",
        step("with: {to: Ann, type: x}", "message.send"),
        "WRONG_VALUE",
        "steps[0].with.to",
        5,
    ),
    Case(
        "a variable's name that is none",
        step("with: {a-b: 1}", "core.set"),
        "WRONG_VALUE",
        "steps[0].with.a-b",
        5,
    ),
    Case(
        "two kinds of answers",
        step("with: {bots: [a], question: x, answer: {choices: [b], text: true}}", "ask"),
        "WRONG_VALUE",
        "steps[0].with.answer",
        5,
    ),
    Case(
        "a rater twice",
        step("with: {bots: [a, a], question: x, answer: {text: true}}", "ask"),
        "WRONG_VALUE",
        "steps[0].with.bots",
        5,
    ),
    Case(
        "more answers than are asked",
        step("with: {bots: [a], question: x, answers: 2, answer: {text: true}}", "ask"),
        "OUT_OF_BOUNDS",
        "steps[0].with.answers",
        5,
    ),
    Case(
        "more approvals than approvers",
        step("with: {approvers: [a], needed: 2}", "approval"),
        "OUT_OF_BOUNDS",
        "steps[0].with.needed",
        5,
    ),
    Case(
        "an action that is not there",
        step("with: {action: sum}", "python"),
        "ACTION_UNKNOWN",
        "steps[0].with.action",
        5,
    ),
    Case(
        "a loop without a condition",
        step("with: {steps: [{id: b, uses: core.set}]}", "loop"),
        "WRONG_VALUE",
        "steps[0].with",
        5,
    ),
    Case(
        "a body without steps",
        step("with: {items: [1], steps: []}", "each"),
        "OUT_OF_BOUNDS",
        "steps[0].with.steps",
        5,
    ),
    Case(
        "a fault in a body",
        step("with: {items: [1], steps: [{id: b, uses: nil}]}", "each"),
        "USES_UNKNOWN",
        "steps[0].with.steps[0].uses",
        5,
    ),
    Case(
        "a workflow in itself",
        step("with: {name: a}", "workflow"),
        "NESTING_RECURSES",
        "steps[0].with.name",
        5,
    ),
    Case(
        "agreement where nobody is asked",
        step("consensus: {threshold: 0.5}"),
        "CONSENSUS_MISPLACED",
        "steps[0].consensus",
        5,
    ),
    Case(
        "an adjudicator who is not named",
        step(
            "consensus: {resolve: adjudicator}\n    with: {bots: [a], question: x, answer: {text: true}}",
            "ask",
        ),
        "MISSING_FIELD",
        "steps[0].consensus",
        5,
    ),
    Case(
        "a threshold above all agreement",
        step("consensus: {threshold: 1.5}\n    with: {bots: [a], question: x, answer: {text: true}}", "ask"),
        "THRESHOLD_NEVER",
        "steps[0].consensus.threshold",
        5,
        "warning",
    ),
    Case(
        "shapes by another metric",
        asked("metric: percent", "shape: span"),
        "WRONG_VALUE",
        "steps[0].with.answer",
        6,
    ),
    Case("overlap of no shape", asked("metric: iou", "text: true"), "WRONG_VALUE", "steps[0].with.answer", 6),
    Case(
        "distances between words",
        asked("metric: krippendorff, level: interval", "choices: [a, b]"),
        "WRONG_VALUE",
        "steps[0].with.answer",
        6,
    ),
    Case(
        "a weight below nothing",
        asked("weights: {a: -1}", "text: true"),
        "OUT_OF_BOUNDS",
        "steps[0].consensus.weights.a",
        5,
    ),
    Case(
        "a rater who is asked already",
        asked("resolve: more, raters: [b]", "text: true"),
        "RATER_TWICE",
        "steps[0].consensus.raters[0]",
        5,
        "warning",
    ),
    Case(
        "more raters for a metric of two",
        asked("metric: cohen, resolve: more, raters: [c]", "text: true"),
        "THRESHOLD_NEVER",
        "steps[0].consensus.resolve",
        5,
        "warning",
    ),
    Case(
        "two raters who agree though they disagree",
        asked("resolve: fail", "text: true"),
        "TIE_AGREES",
        "steps[0].consensus.threshold",
        5,
        "warning",
    ),
    Case(
        "four raters who agree though they disagree, with no word of consensus",
        step("with: {bots: [a, b, c, d], question: x, answer: {text: true}}", "ask"),
        "TIE_AGREES",
        "steps[0].with.bots",
        5,
        "warning",
    ),
    Case(
        "two answers of three raters that are waited for",
        step("with: {bots: [a, b, c], answers: 2, question: x, answer: {text: true}}", "ask"),
        "TIE_AGREES",
        "steps[0].with.bots",
        5,
        "warning",
    ),
    Case(
        "bounds that no number fits",
        asked("metric: percent", "number: {min: 2, max: 1}"),
        "WRONG_VALUE",
        "steps[0].with.answer.number",
        6,
    ),
    Case(
        "a shape in units",
        asked("metric: iou", "shape: box, units: 3"),
        "WRONG_VALUE",
        "steps[0].with.answer.units",
        6,
    ),
    Case(
        "an answer that is refused",
        asked("metric: percent", "number: false"),
        "WRONG_VALUE",
        "steps[0].with.answer",
        6,
    ),
    Case(
        "an attempt longer than its run",
        step("timeout: 2h"),
        "TIMEOUT_NEVER",
        "steps[0].timeout",
        5,
        "warning",
    ),
]

LANGUAGE = [
    Case(
        "a template that does not end",
        step("with: {message: '{{ trigger.a'}"),
        "TEMPLATE_INVALID",
        "steps[0].with.message",
        5,
    ),
    Case(
        "an unknown filter",
        step("with: {message: '{{ trigger | uper }}'}"),
        "TEMPLATE_INVALID",
        "steps[0].with.message",
        5,
    ),
    Case(
        "a fault in the third line of a text",
        step("with:\n      message: |\n        a\n        b\n        {{ trigger | uper }}"),
        "TEMPLATE_INVALID",
        "steps[0].with.message",
        9,
    ),
    Case(
        "a macro",
        step("with: {message: '{% macro a() %}{% endmacro %}'}"),
        "TEMPLATE_INVALID",
        "steps[0].with.message",
        5,
    ),
    Case(
        "a condition that does not end",
        steps(one("a", "next: {to: b, if: '1 <'}"), one("b")),
        "CONDITION_INVALID",
        "steps[0].next.if",
        3,
    ),
    Case(
        "a condition in braces",
        steps(one("a", "next: {to: b, if: '{{ 1 }}'}"), one("b")),
        "CONDITION_INVALID",
        "steps[0].next.if",
        3,
    ),
    Case(
        "an unknown root",
        step("with: {message: '{{ triger.a }}'}"),
        "ROOT_UNKNOWN",
        "steps[0].with.message",
        5,
    ),
    Case(
        "an item outside of a loop",
        step("with: {message: '{{ item }}'}"),
        "LOOP_ONLY",
        "steps[0].with.message",
        5,
    ),
    Case(
        "an event in a step",
        step("with: {message: '{{ event }}'}"),
        "ROOT_MISPLACED",
        "steps[0].with.message",
        5,
    ),
    Case(
        "a step that is not there",
        step("with: {message: '{{ steps.too.output }}'}"),
        "STEP_UNKNOWN",
        "steps[0].with.message",
        5,
    ),
    Case(
        "a dash that is a minus",
        steps(one("a-b", "next: {to: c, if: steps.a-b.output}"), one("c")),
        "STEP_UNKNOWN",
        "steps[0].next.if",
        3,
    ),
    Case(
        "a step in itself",
        step("with: {message: '{{ steps.one.output }}'}"),
        "STEP_NOT_BEFORE",
        "steps[0].with.message",
        5,
        "warning",
    ),
    Case(
        "a step that follows",
        steps(one("a", "with: {x: '{{ steps.b.output }}'}"), one("b")),
        "STEP_NOT_BEFORE",
        "steps[0].with.x",
        3,
        "warning",
    ),
    Case(
        "a step on another branch",
        steps(one("a", "next: [b, c]"), one("b", "with: {x: '{{ steps.c.output }}'}"), one("c")),
        "STEP_NOT_BEFORE",
        "steps[1].with.x",
        4,
        "warning",
    ),
    Case(
        "a previous iteration of none",
        step("with: {message: '{{ previous.one.output }}'}"),
        "STEP_NOT_BEFORE",
        "steps[0].with.message",
        5,
        "warning",
    ),
    Case(
        "a field that steps do not have",
        steps(one("a"), one("b", "with: {x: '{{ steps.a.ouput }}'}")),
        "FIELD_UNKNOWN",
        "steps[1].with.x",
        4,
        "warning",
    ),
    Case(
        "a variable that nobody sets",
        step("with: {message: '{{ vars.limit }}'}"),
        "VARIABLE_UNKNOWN",
        "steps[0].with.message",
        5,
        "warning",
    ),
    Case(
        "a secret in a message",
        step("with: {message: '{{ secret(\"A\") }}'}"),
        "SECRET_MISPLACED",
        "steps[0].with.message",
        5,
    ),
    Case("a secret in the output", top("output: '{{ secret(\"A\") }}'"), "SECRET_MISPLACED", "output", 3),
    Case(
        "a step that is not there, in the output",
        top("output: '{{ steps.two }}'"),
        "STEP_UNKNOWN",
        "output",
        3,
    ),
]

TRIGGERS = [
    Case(
        "a schedule that never fires",
        top("on: [{schedule: '0 0 30 2 *'}]"),
        "SCHEDULE_INVALID",
        "on[0].schedule",
        3,
    ),
    Case(
        "a minute past the hour",
        top("on: [{schedule: '61 * * * *'}]"),
        "SCHEDULE_INVALID",
        "on[0].schedule",
        3,
    ),
    Case(
        "a schedule of four fields",
        top("on: [{schedule: '* * * *'}]"),
        "SCHEDULE_INVALID",
        "on[0].schedule",
        3,
    ),
    Case(
        "a word that is no schedule",
        top("on: [{schedule: '@dayly'}]"),
        "SCHEDULE_INVALID",
        "on[0].schedule",
        3,
    ),
    Case(
        "a time that differs", top("on: [{schedule: 'R * * * *'}]"), "SCHEDULE_INVALID", "on[0].schedule", 3
    ),
    Case(
        "a distance of nothing",
        top("on: [{schedule: {every: 1ms}}]"),
        "SCHEDULE_INVALID",
        "on[0].schedule.every",
        3,
    ),
    Case(
        "a zone that is none",
        top("on: [{schedule: '@daily', timezone: Europe/Lisbonn}]"),
        "TIMEZONE_UNKNOWN",
        "on[0].timezone",
        3,
    ),
    Case("two triggers in one", top("on: [{schedule: '@daily', webhook: x}]"), "TRIGGER_INVALID", "on[0]", 3),
    Case("a trigger of nothing", top("on: [{if: trigger.x}]"), "TRIGGER_INVALID", "on[0]", 3),
    Case(
        "the zone of a webhook",
        top("on: [{webhook: x, timezone: UTC}]"),
        "TRIGGER_INVALID",
        "on[0].timezone",
        3,
    ),
    Case("a path with a slash before it", top("on: [{webhook: /x}]"), "WRONG_VALUE", "on[0].webhook", 3),
    Case("a path twice", top("on: [{webhook: x}, {webhook: x}]"), "TRIGGER_INVALID", "on[1].webhook", 3),
    Case(
        "two ways to sign in",
        top("on: [{webhook: x, auth: {hmac: A, bearer: B}}]"),
        "TRIGGER_INVALID",
        "on[0].auth",
        3,
    ),
    Case("a webhook for everybody", top("on: [{webhook: x}]"), "WEBHOOK_OPEN", "on[0].webhook", 3, "warning"),
    Case(
        "a pattern that is none",
        top("on: [{message: {channel: 'A.*'}}]"),
        "WRONG_VALUE",
        "on[0].message.channel",
        3,
    ),
    Case(
        "a run of itself",
        top("on: [{run: {workflow: a}}]"),
        "TRIGGER_CIRCLE",
        "on[0].run.workflow",
        3,
        "warning",
    ),
    Case(
        "steps before there is a run",
        top("on: [{schedule: '@daily', if: steps.one.output}]"),
        "ROOT_MISPLACED",
        "on[0].if",
        3,
    ),
    Case(
        "a trigger before there is one",
        top("on: [{schedule: '@daily', input: '{{ trigger }}'}]"),
        "ROOT_MISPLACED",
        "on[0].input",
        3,
    ),
    Case("a type that JSON Schema has not", top("input: {type: objekt}"), "SCHEMA_INVALID", "input.type", 3),
    Case(
        "a required that is no list", top("input: {required: claim}"), "SCHEMA_INVALID", "input.required", 3
    ),
    Case(
        "steps in a concurrency key",
        top("concurrency: {key: '{{ steps.one.output }}'}"),
        "ROOT_MISPLACED",
        "concurrency.key",
        3,
    ),
]

CASES = [*READING, *SHAPE, *GRAPH, *KINDS, *LANGUAGE, *TRIGGERS]
