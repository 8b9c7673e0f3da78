"""How each function of the core table is written, by its name; one file per family says it."""

from collections.abc import Mapping

from goodsend.expr.sql import numbers, patterns, text, texts, time
from goodsend.expr.sql.model import Form

FORMS: Mapping[str, Form] = {**text.FORMS, **patterns.FORMS, **texts.FORMS, **numbers.FORMS, **time.FORMS}
"""A function without a form is a UDF on every engine."""
