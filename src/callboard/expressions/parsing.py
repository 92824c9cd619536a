"""From text to Jinja's tree: Jinja's lexer and parser, kept from what would blow them up.

The parser recurses where the text nests, so a first walk over the tokens counts brackets, blocks and chains
of prefixes, and refuses a text that nests too deep before the parser sees it. Nothing of Jinja's runtime is
used: its sandbox has no limits of time or memory, and its values can be escaped from.
"""

from __future__ import annotations

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.lexer import (
    TOKEN_BLOCK_BEGIN,
    TOKEN_BLOCK_END,
    TOKEN_NAME,
    TOKEN_OPERATOR,
    TOKEN_VARIABLE_END,
    TOKEN_WHITESPACE,
)
from jinja2.parser import Parser

from callboard.errors import ExpressionInvalid
from callboard.expressions.limits import Limits
from callboard.spelling import shown

_JINJA = Environment(autoescape=False, keep_trailing_newline=True)  # noqa: S701  (only its parser is used)
_LONGEST_SENTENCE = 300
_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")
_PREFIXES = frozenset({"-", "+", "not"})
_BLOCKS = frozenset({"if", "for", "block", "call", "filter", "macro", "with", "set", "autoescape", "raw"})


def is_template(text: str) -> bool:
    """Tell whether a text holds anything to evaluate at all."""
    return "{{" in text or "{%" in text or "{#" in text


def refused(text: str, sentence: str, line: int | None = None) -> ExpressionInvalid:
    """Return the error for a text that cannot be; it names the line where there are several."""
    place = f"Line {line} of {shown(text)}" if line and "\n" in text else shown(text)
    end = "" if sentence.endswith("?") else "."
    return ExpressionInvalid(f"{place}: {cut(sentence)}{end}", line=line)


def cut(sentence: str) -> str:
    """Return a sentence that names what a text or a value holds, which may be long, in a readable length."""
    return sentence if len(sentence) <= _LONGEST_SENTENCE else f"{sentence[: _LONGEST_SENTENCE - 1]}…"


def parse_template(text: str, limits: Limits) -> nodes.Template:
    """Parse a text with `{{ … }}` and `{% … %}` in it."""
    _guard(text, limits, state=None)
    try:
        return _JINJA.parse(text)
    except TemplateSyntaxError as error:
        raise _syntax(text, error) from None
    except (RecursionError, ValueError, OverflowError) as error:
        raise _unreadable(text, error) from None


def parse_expression(text: str, limits: Limits) -> nodes.Expr:
    """Parse a bare expression."""
    if text.lstrip().startswith(("{{", "{%")):
        raise refused(text, "a condition is written bare, without {{ }} around it")
    _guard(text, limits, state="variable")
    try:
        parser = Parser(_JINJA, text, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            token = parser.stream.current
            raise refused(text, f"{shown(str(token.value))} was not expected there", token.lineno)
    except TemplateSyntaxError as error:
        raise _syntax(text, error) from None
    except (RecursionError, ValueError, OverflowError) as error:
        raise _unreadable(text, error) from None
    return tree


def _syntax(text: str, error: TemplateSyntaxError) -> ExpressionInvalid:
    sentence = (error.message or "this cannot be read").rstrip(".")
    return refused(text, sentence, error.lineno)


def _unreadable(text: str, error: Exception) -> ExpressionInvalid:
    if isinstance(error, RecursionError):
        return refused(text, "it nests too deep to be read")
    return refused(text, "it holds a number that cannot be read")


def _guard(text: str, limits: Limits, state: str | None) -> None:
    """Refuse a text that is too long, or that would send the parser too deep."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise refused(text, "it holds half of a surrogate pair, which is no character") from None
    if size > limits.source:
        raise refused(text, f"it is {size:,} bytes long, and {limits.source:,} is the most")
    nesting = _Nesting()
    try:
        for line, token, value in _JINJA.lexer.tokeniter(text, None, state=state):
            if token != TOKEN_WHITESPACE and nesting.after(token, value) > limits.depth:
                raise refused(text, f"it nests more than {limits.depth} deep", line)
    except TemplateSyntaxError as error:
        raise _syntax(text, error) from None


class _Nesting:
    """What the parser would have open after each token."""

    def __init__(self) -> None:
        self.brackets = self.blocks = self.prefixes = self.choices = 0
        self.opening = False

    def after(self, token: str, value: str) -> int:
        """Take one token, and return how deep the parser would then be, by the deepest measure."""
        self.prefixes = self.prefixes + 1 if value in _PREFIXES else 0
        if token == TOKEN_OPERATOR:
            self.brackets += (value in _OPENING) - (value in _CLOSING)
            self.choices = 0 if value == "," else self.choices
        elif token == TOKEN_NAME and self.opening:
            self.blocks += (value in _BLOCKS) - value.startswith("end")
        elif token == TOKEN_NAME:
            self.choices += value == "if"
        elif token in (TOKEN_BLOCK_END, TOKEN_VARIABLE_END):
            self.brackets = self.choices = 0
        self.opening = token == TOKEN_BLOCK_BEGIN
        return max(self.brackets, self.blocks, self.prefixes, self.choices)
