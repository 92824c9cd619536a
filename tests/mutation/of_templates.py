"""Ways in which templates could be broken."""

from __future__ import annotations

from tests.mutation.mutations import Mutation

CHECK = ("tests/unit/templates/test_check.py",)
DOCUMENTS = ("tests/unit/templates/test_documents.py",)
BOMBS = ("tests/unit/templates/test_bombs.py",)
MAKING = ("tests/unit/templates/test_instantiating.py",)
LIBRARY = ("tests/unit/templates/test_library.py",)
STEP = ("tests/unit/runs/test_documents.py",)

OF_TEMPLATES = (
    Mutation(
        "render what was told once more",
        "templates/rendering.py",
        "        made: Any = compiled.render({ANSWERS: seen})\n",
        "        made: Any = value(compiled.render({ANSWERS: seen})).render({ANSWERS: seen})\n",
        DOCUMENTS,
    ),
    Mutation(
        "give metadata a budget of its own",
        "templates/rendering.py",
        "        made: Any = compiled.render({ANSWERS: seen})\n",
        '        made: Any = {name: value({"x": part}).render({ANSWERS: seen})["x"] '
        'for name, part in (("body", found.body), ("metadata", found.metadata))}\n',
        BOMBS,
    ),
    Mutation(
        "let an author's metadata say which version it is",
        "templates/accepting.py",
        "        if name in document.metadata:",
        "        if False:",
        CHECK,
    ),
    Mutation(
        "tell only the first fault of answers",
        "templates/answering.py",
        "islice(_faults(fields, given, what), MOST_FAULTS + 1)",
        "islice(_faults(fields, given, what), 1)",
        DOCUMENTS,
    ),
    Mutation(
        "let answers through that no field asks for",
        "templates/answering.py",
        "        if name not in fields:\n",
        "        if name not in fields and not fields:\n",
        DOCUMENTS,
    ),
    Mutation(
        "let a config become a template",
        "templates/instantiating.py",
        "        if is_template(result):\n",
        "        if False:\n",
        MAKING,
    ),
    Mutation(
        "look for templates on the surface of a config alone",
        "templates/instantiating.py",
        "            for below, said in _code_in(inner):\n                yield (number, *below), said",
        "            for below, said in ():\n                yield (number, *below), said",
        MAKING,
    ),
    Mutation(
        "let a config become a condition",
        "templates/instantiating.py",
        "if key in CONDITIONS and isinstance(inner, str):",
        "if False:",
        MAKING,
    ),
    Mutation(
        "let a place stand where a condition stands",
        "templates/accepting.py",
        "if below and below[-1] in CONDITIONS:",
        "if False:",
        CHECK,
    ),
    Mutation(
        "use a version that somebody altered",
        "publish/library.py",
        "if hashlib.sha256(row.text.encode()).hexdigest() != row.checksum:",
        "if False:",
        LIBRARY,
    ),
    Mutation(
        "let a file undo what an operator did",
        "templates/publishing.py",
        "standing is not None and same == standing.filed",
        "standing is not None and same == standing.version",
        LIBRARY,
    ),
    Mutation(
        "let documents become a workflow",
        "templates/publishing.py",
        "if standing is not None and standing.kind != kind:",
        "if False:",
        LIBRARY,
    ),
    Mutation(
        "render the active version whatever a step names",
        "steps/templates.py",
        "work.house.documents(given.template, given.version)",
        "work.house.documents(given.template, None)",
        STEP,
    ),
    Mutation(
        "tell a run nothing of the faults but the sentence",
        "steps/templates.py",
        "error.message[:LONGEST_ERROR], error.details)",
        "error.message[:LONGEST_ERROR])",
        STEP,
    ),
)
