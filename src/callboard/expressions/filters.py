"""The names of the filters, each with what it does.

Not here are those that the compiler itself must see: `default`, which takes a missing value, and `map`,
`select` and their kind, which name another filter or test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.expressions import list_filters, text_filters

FILTERS: dict[str, Callable[..., Any]] = {
    # text
    "lower": text_filters.lower,
    "upper": text_filters.upper,
    "title": text_filters.title,
    "capitalize": text_filters.capitalize,
    "trim": text_filters.trim,
    "replace": text_filters.replace,
    "split": text_filters.split,
    "truncate": text_filters.truncate,
    "indent": text_filters.indent,
    "wordcount": text_filters.wordcount,
    "string": text_filters.string,
    "tojson": text_filters.tojson,
    "fromjson": text_filters.fromjson,
    "urlencode": text_filters.urlencode,
    # numbers
    "abs": text_filters.absolute,
    "round": text_filters.rounded,
    "int": text_filters.to_int,
    "float": text_filters.to_float,
    # lists and objects
    "length": list_filters.length,
    "count": list_filters.length,
    "join": list_filters.join,
    "first": list_filters.first,
    "last": list_filters.last,
    "list": list_filters.as_list,
    "reverse": list_filters.reverse,
    "sort": list_filters.sort,
    "unique": list_filters.unique,
    "groupby": list_filters.groupby,
    "batch": list_filters.batch,
    "sum": list_filters.total,
    "min": list_filters.smallest,
    "max": list_filters.largest,
    "items": list_filters.items,
    "dictsort": list_filters.dictsort,
}
