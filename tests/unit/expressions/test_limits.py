"""Each limit holds at its edge: the last that may pass does, the next is refused by the bound's name."""

from __future__ import annotations

import pytest

from callboard.errors import ExpressionFailed, ExpressionInvalid
from callboard.expressions import Limits, condition, template, value

SOURCE = 16 * 1024
MIB = 1024 * 1024


def padded(start: str, size: int) -> str:
    return start + "x" * (size - len(start))


def test_a_template_and_a_condition_may_be_16_kib_long() -> None:
    assert len(str(template(padded("{{ 1 }}", SOURCE)).render({}))) == SOURCE - 6
    with pytest.raises(ExpressionInvalid, match=r"it is 16,385 bytes long, and 16,384 is the most"):
        template(padded("{{ 1 }}", SOURCE + 1))
    assert condition("1" + " " * (SOURCE - 1)).holds({}).holds
    with pytest.raises(ExpressionInvalid, match=r"16,384 is the most"):
        condition("1" + " " * SOURCE)
    with pytest.raises(ExpressionInvalid, match=r"bytes long"):
        template("{{ 1 }}" + "ü" * (SOURCE // 2))


def test_a_text_that_is_no_template_is_not_bound_by_their_length() -> None:
    assert value({"a": "x" * SOURCE * 2}).render({}) == {"a": "x" * SOURCE * 2}


def test_a_result_may_be_1_mib() -> None:
    for text, extra in (("{{ x }}", 0), ("{{ x }}{{ '' }}", 0), ("a{{ x }}b", 2)):
        assert len(str(template(text).render({"x": "x" * (MIB - extra)}))) == MIB
        with pytest.raises(ExpressionFailed, match=r"larger than the 1,048,576 bytes"):
            template(text).render({"x": "x" * (MIB - extra + 1)})
    with pytest.raises(ExpressionFailed, match=r"larger than the 1,048,576 bytes"):
        template("{{ x }}").render({"x": "ü" * (MIB // 2 + 1)})


def test_all_of_a_value_shares_its_bounds() -> None:
    made = value(["{{ x }}", "{{ x }}"])
    made.render({"x": "x" * (MIB // 2)})
    with pytest.raises(ExpressionFailed, match="larger than"):
        made.render({"x": "x" * (MIB // 2 + 1)})


def test_steps_are_counted_for_each_round_of_a_loop() -> None:
    made = template("{% for x in rows %}{{ x }}{% endfor %}")
    few = Limits(steps=1000)
    rounds = next(n for n in range(1000) if _fails(made, n, few)) - 1
    assert 200 < rounds < 500
    assert made.render({"rows": [1] * rounds}, few) == "1" * rounds
    with pytest.raises(ExpressionFailed, match=r"more than the 1,000 steps"):
        made.render({"rows": [1] * (rounds + 1)}, few)
    assert len(str(made.render({"rows": [1] * rounds * 50}))) == rounds * 50


def _fails(made: object, rounds: int, limits: Limits) -> bool:
    try:
        made.render({"rows": [1] * rounds}, limits)  # type: ignore[attr-defined]  # it is a template
    except ExpressionFailed:
        return True
    return False


@pytest.mark.parametrize(
    "expression",
    [
        "rows|sort",
        "rows|min",
        "rows|sum",
        "rows|join",
        "rows|unique",
        "rows|select",
        "rows|select('odd')",
        "rows|map('string')",
        "[{'a': 1}]|list + rows|map(attribute='a', default=1)",
        "rows|groupby('a', 1)",
        "-1 in rows",
        "rows == rows|list",
    ],
)
def test_each_element_that_is_looked_at_is_a_step(expression: str) -> None:
    made = template(f"{{{{ ({expression}) is defined }}}}")
    scope = {"rows": list(range(1000))}
    assert made.render(scope) is True
    with pytest.raises(ExpressionFailed, match="more than the 999 steps"):
        made.render(scope, Limits(steps=999))


def nested(depth: int) -> object:
    made: object = 1
    for _ in range(depth):
        made = [made]
    return made


def test_a_value_may_nest_32_deep() -> None:
    for text in ("{{ x }}", "a{{ x }}", "{{ x == y }}", "{{ x|tojson|fromjson }}"):
        template(text).render({"x": nested(32), "y": nested(32)})
        with pytest.raises(ExpressionFailed, match=r"nested (more than|at most) 32 deep"):
            template(text).render({"x": nested(33), "y": nested(33)})
    value(nested(32)).render({})
    with pytest.raises(ExpressionInvalid, match="nested more than 32 deep"):
        value(nested(33))


def test_a_text_may_nest_32_deep() -> None:
    assert template("{{ " + "[" * 31 + "1" + "]" * 31 + " }}").render({}) == nested(31)
    with pytest.raises(ExpressionInvalid, match="it nests more than 32 deep"):
        template("{{ " + "[" * 32 + "1" + "]" * 32 + " }}")
    assert template("{% if 1 %}" * 30 + "x" + "{% endif %}" * 30).render({}) == "x"
    with pytest.raises(ExpressionInvalid, match="it nests more than 32 deep"):
        template("{% if 1 %}" * 33 + "x" + "{% endif %}" * 33)


def test_a_path_may_take_32_steps() -> None:
    made: object = 1
    for _ in range(32):
        made = {"a": made}
    assert template("{{ x" + ".a" * 32 + " }}").render({"x": made}) == 1
    with pytest.raises(ExpressionInvalid, match="a path takes more than 32 steps"):
        template("{{ x" + ".a" * 33 + " }}")


@pytest.mark.parametrize("text", ["(" * 5000, "[" * 5000, "-" * 5000, "not " * 2000, "1 if 1 else " * 1000])
def test_a_text_that_nests_too_deep_never_reaches_the_parser(text: str) -> None:
    for parse in (lambda: template(f"{{{{ {text}"), lambda: condition(text)):
        with pytest.raises(ExpressionInvalid, match="it nests more than 32 deep"):
            parse()


def test_what_is_long_but_not_deep_is_taken() -> None:
    assert template("{{ " + " ~ ".join(["'a'"] * 500) + " }}").render({}) == "a" * 500
    assert condition(" or ".join(["x == 1"] * 500)).holds({"x": 1}).holds
    assert condition(" and ".join(["x == 1"] * 500)).holds({"x": 1}).holds
    assert template("{% if 0 %}" + "{% elif 0 %}" * 500 + "{% else %}x{% endif %}").render({}) == "x"
    assert template("{{ [" + "(1 if 1 else 2), " * 500 + "] }}").render({}) == [1] * 500
    assert template("{{ x }}" * 2000).render({"x": 1}) == "1" * 2000
    assert template("{{ [" + "[1]," * 2000 + "] }}").render({}) == [[1]] * 2000


def test_a_sentence_about_something_long_is_short() -> None:
    name = "a" * 10_000
    for text in (f"{{{{ {name} }}}}", f"{{{{ x.{name} }}}}", f"{{{{ [x]|map(attribute='{name}') }}}}"):
        with pytest.raises(ExpressionFailed) as failed:
            template(text).render({"x": {}})
        assert len(failed.value.message) < 400
        assert len(template(text).lenient({"x": {}}).warnings[0]) < 400
        assert len(condition(text[3:-3]).holds({"x": {}}).reason) < 600
    with pytest.raises(ExpressionInvalid) as refused:
        template(f"{{{{ x|join({name}=1) }}}}")
    assert len(refused.value.message) < 400


def test_a_number_may_have_64_bits() -> None:
    assert template("{{ x + 1 }}").render({"x": 2**64 - 2}) == 2**64 - 1
    with pytest.raises(ExpressionFailed, match="more than 64 bits"):
        template("{{ x + 1 }}").render({"x": 2**64 - 1})
    assert template("{{ 2 ** 63 }}").render({}) == 2**63
    with pytest.raises(ExpressionFailed, match="more than 64 bits"):
        template("{{ 2 ** 64 }}").render({})


def test_limits_can_be_set() -> None:
    wide = Limits(source=100_000, steps=1_000_000, result=8 * MIB, depth=64, bits=256)
    assert len(str(template("{{ 'a' * 4000000 }}").render({}, wide))) == 4_000_000
    assert template("{{ 2 ** 200 }}").render({}, wide) == 2**200
    assert template(padded("{{ 1 }}", 50_000), wide).render({})
    assert template("{{ x }}").render({"x": nested(60)}, wide) == nested(60)
    narrow = Limits(steps=2)
    assert not condition("a and b and c").holds({"a": 1, "b": 1, "c": 1}, narrow).holds
