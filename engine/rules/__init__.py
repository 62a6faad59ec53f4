"""Normalisers: named, declared ways in which two values may differ and still mean the same."""

from __future__ import annotations

from engine.rules.arrow import apply_with_arrow
from engine.rules.casts import loses
from engine.rules.registry import (
    RULE_FORMS,
    Rule,
    apply_in_python,
    apply_rule,
    check_rule,
    is_native,
    parse_rules,
    result_type,
)

__all__ = [
    "RULE_FORMS",
    "Rule",
    "apply_in_python",
    "apply_rule",
    "apply_with_arrow",
    "check_rule",
    "is_native",
    "loses",
    "parse_rules",
    "result_type",
]
