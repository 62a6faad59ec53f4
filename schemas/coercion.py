"""Types of a source as its catalog tells them, and the rules that say what becomes of each."""

from __future__ import annotations

import re
from enum import Enum
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from schemas.model import Model

__all__ = [
    "ARRAY_ELEMENT",
    "READ_SETTINGS",
    "READ_SQL",
    "Bounds",
    "Coercion",
    "CoercionPart",
    "LossPolicy",
    "Matches",
    "NativeType",
    "ProfileCondition",
    "ReadForm",
    "RuleFile",
    "RuleId",
    "Rulebook",
    "SpecialValue",
    "TypeKind",
    "TypeRule",
    "TypeRules",
]

TypeKind = Literal["base", "array", "enum", "domain", "composite", "range", "multirange", "pseudo"]
LossPolicy = Literal["exact", "declared", "text", "refuse"]
"""exact: any loss is a bug. declared: the contract names the loss and every row is counted. text: the value travels as text, or as
integers, that the server makes, because the driver would change it. refuse: nothing is read."""
SpecialValue = Literal[
    "nan",
    "positive_infinity",
    "negative_infinity",
    "bc",
    "before_1582",
    "year_above_9999",
    "hour_24",
    "empty_text",
    "trailing_blanks",
    "not_nfc",
    "backslash_n",
    "line_break",
    "array_dimensions",
    "array_bounds",
]
"""Values that a profile counts. before_1582: before 1582-10-15, BC included. hour_24: the time 24:00:00. backslash_n: the text `\\N`.
array_dimensions: arrays with more than one dimension. array_bounds: arrays whose first index is not 1."""

RuleId = Annotated[str, Field(pattern=r"^[A-Z]{2}-[0-9]{2}[a-z]?$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Text = Annotated[str, Field(min_length=1)]


class NativeType(Model):
    """A column's type, exactly as the catalog of the source describes it; nothing is folded or guessed.

    Attributes:
        name: as `pg_type.typname`, without modifiers and schema: `numeric`, `int4`, `bpchar`, `timestamptz`, or the user's own name;
            `char` is the one-byte type `"char"`.
        schema_name: where the type lives: `pg_catalog`, or the user's schema.
        kind: what sort of type it is.
        declared: as the source prints it, with modifiers: `numeric(12,2)`, `character varying(20)[]`.
        precision, scale: of numbers; of `time` and `timestamp` types `precision` is digits after the second. None: not declared.
            Of `money`, scale is the digits after the point under the database's `lc_monetary` (`scale(1::money::numeric)`).
        length: characters or bits; None: not declared.
        dimensions: of arrays as declared, which the server does not enforce.
        element: of arrays, ranges and multiranges.
        base: of domains.
        labels: of enums, in order.
        fields: of composites: name and type, in order.
        extension: that brings the type, such as `hstore`; None for types of the server and of users.
    """

    name: str
    schema_name: str = "pg_catalog"
    kind: TypeKind = "base"
    declared: str
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    dimensions: int = 0
    element: NativeType | None = None
    base: NativeType | None = None
    labels: tuple[str, ...] = ()
    fields: tuple[tuple[str, NativeType], ...] = ()
    extension: str | None = None


class ReadForm(str, Enum):
    """How a value leaves the server, so that nothing changes on the way; always one column of the query.

    `x` stands for the column, or for the expression of an element, field or bound; NULL stays NULL in every form. `READ_SQL` has
    the statements. `p`, `s` are those of the Spark type. A form fails aloud where the Spark type cannot hold the value.

    * `as_is`: `x`, in the driver's own type. Only where the driver is exact; never inside arrays, structs and ranges.
    * `text`: `x::text`, kept as the string it is, or cast to the Spark type where that is not string (`boolean`, integers,
      `float`, `double`: PostgreSQL prints the shortest digits that give the same bits, `NaN`, `Infinity`, `-0`).
    * `printed`: the text of the type's output function, where the cast to text differs: `char(n)` loses its blanks and
      `inet` gains `/32` by `x::text`.
    * `integer`: `x::text::bigint`, for `oid`, `xid`, `cid`, which have no signed form.
    * `decimal_from_text`: `x::text`, parsed as `decimal(p,s)`. A value that this type does not hold exactly must fail (1.50 fits
      s = 1, 1.55 does not): Spark's cast alone would round it silently. `NaN` and `Infinity` do not parse.
    * `decimal_of_money`: `x::numeric::text`, parsed as above; the session's `lc_monetary` must be the one of the discovery.
    * `days`: days since 1970-01-01 as `int`; then `date_from_unix_date`. PostgreSQL counts in the proleptic Gregorian calendar, as
      Spark does; BC and far years are exact. Infinity fails: "cannot subtract infinite dates".
    * `micros`: microseconds since 1970-01-01 00:00:00 (UTC for `timestamptz`, the wall clock for `timestamp`) as `bigint`; then
      `timestamp_micros`, cast to `timestamp_ntz` in zone UTC for `timestamp`. Exact since PostgreSQL 14, where `extract` gives
      `numeric`, but for the last second that 64 bits hold, where it loses digits: from 294247-01-10 04:00:54 on it fails, as infinity does.
    * `micros_of_day`: microseconds since midnight as `bigint`; 24:00:00 would be 86,400,000,000.
    * `interval_parts`: `months days microseconds`, three integers with blanks between, as text. Hours are not folded into days.
    * `hex`: `bytea` as lower-case hex digits; then `unhex`. For `bytea` inside arrays, structs and ranges.
    * `hex_text`: `x::text` of types that print as hex digits (EWKB of PostGIS); then `unhex`.
    * `json_array`: a JSON array of texts, one per element in the element's own form, JSON null for NULL, as text; then
      `from_json(…, 'array<string>')` and each element as its form says. More than one dimension, or a first index other than 1, fails.
    * `json_row`: a composite as a JSON array of texts, one per field, in the fields' own forms and order. A NULL composite is NULL; a row
      of NULLs is `[null,null]`.
    * `json_range`: a JSON array of five texts: lower, upper (in the element's form; null when unbounded or empty), lower inclusive,
      upper inclusive, empty (`true` or `false`).
    * `json_map`: `x::json::text`, an object of texts and nulls (`hstore`); then `from_json(…, 'map<string,string>')`.
    """

    AS_IS = "as_is"
    TEXT = "text"
    PRINTED = "printed"
    INTEGER = "integer"
    DECIMAL_FROM_TEXT = "decimal_from_text"
    DECIMAL_OF_MONEY = "decimal_of_money"
    DAYS = "days"
    MICROS = "micros"
    MICROS_OF_DAY = "micros_of_day"
    INTERVAL_PARTS = "interval_parts"
    HEX = "hex"
    HEX_TEXT = "hex_text"
    JSON_ARRAY = "json_array"
    JSON_ROW = "json_row"
    JSON_RANGE = "json_range"
    JSON_MAP = "json_map"


ARRAY_ELEMENT = "u.e"
"""What `{element}` of `json_array` is written over."""

READ_SQL: dict[ReadForm, str] = {
    ReadForm.AS_IS: "{x}",
    ReadForm.TEXT: "({x})::text",
    ReadForm.PRINTED: "CASE WHEN ({x}) IS NULL THEN NULL ELSE concat({x}) END",
    ReadForm.INTEGER: "({x})::text::bigint",
    ReadForm.DECIMAL_FROM_TEXT: "({x})::text",
    ReadForm.DECIMAL_OF_MONEY: "({x})::numeric::text",
    ReadForm.DAYS: "(({x}) - DATE '1970-01-01')",
    ReadForm.MICROS: (
        "CASE WHEN ({x}) IS NULL OR ({x}) < '294247-01-10 04:00:54+00' THEN (extract(epoch FROM {x}) * 1000000)::bigint "
        "ELSE ('year ' || date_part('year', {x}))::bigint END"
    ),
    ReadForm.MICROS_OF_DAY: "(extract(epoch FROM {x}) * 1000000)::bigint",
    ReadForm.INTERVAL_PARTS: (
        "((extract(year FROM {x}) * 12 + extract(month FROM {x}))::bigint::text || ' ' || extract(day FROM {x})::bigint::text || ' ' || "
        "(extract(hour FROM {x}) * 3600000000 + extract(minute FROM {x}) * 60000000 + extract(microseconds FROM {x}))::bigint::text)"
    ),
    ReadForm.HEX: "encode({x}, 'hex')",
    ReadForm.HEX_TEXT: "({x})::text",
    ReadForm.JSON_ARRAY: (
        "CASE WHEN ({x}) IS NULL THEN NULL "
        "WHEN array_ndims({x}) > 1 OR array_lower({x}, 1) <> 1 THEN ('array ' || array_dims({x}))::int::text "
        "ELSE to_json(ARRAY(SELECT ({element})::text FROM "
        "(SELECT unnest({x}) AS e, generate_subscripts({x}, 1) AS n) AS u ORDER BY u.n))::text END"
    ),
    ReadForm.JSON_ROW: "CASE WHEN ({x})::text IS NULL THEN NULL ELSE to_json(ARRAY[{fields}]::text[])::text END",
    ReadForm.JSON_RANGE: (
        "CASE WHEN ({x}) IS NULL THEN NULL ELSE to_json(ARRAY[({lower})::text, ({upper})::text, lower_inc({x})::text, "
        "upper_inc({x})::text, isempty({x})::text])::text END"
    ),
    ReadForm.JSON_MAP: "({x})::json::text",
}
"""Form to SQL. `{x}`: the quoted column or an expression. `json_array`: `{element}` is the element's SQL over `ARRAY_ELEMENT`;
`json_row`: `{fields}` are the fields' SQLs over `({x})."name"`, each `::text`, commas between; `json_range`: `{lower}`, `{upper}` are the
element's SQL over `lower({x})`, `upper({x})`."""

READ_SETTINGS: dict[str, str] = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "xmloption": "content",
}
"""Settings of every session that reads, since the text of values depends on them."""


class Bounds(Model):
    """A range of whole numbers, ends included; what is not declared lies in none."""

    at_least: int | None = None
    at_most: int | None = None

    @model_validator(mode="after")
    def _has_an_end(self) -> Bounds:
        if self.at_least is None and self.at_most is None:
            raise ValueError("at_least or at_most is wanted")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least} is above at_most {self.at_most}")
        return self


class ProfileCondition(Model):
    """What the profile of a column must show; without a profile, nothing is shown.

    Attributes:
        any_of: at least one value of these kinds was seen, in a sample or in all rows.
        digits_at_most: all rows were profiled, and a decimal with so many digits holds every value.
    """

    any_of: tuple[SpecialValue, ...] = ()
    digits_at_most: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> ProfileCondition:
        if not self.any_of and self.digits_at_most is None:
            raise ValueError("any_of or digits_at_most is wanted")
        return self


class Matches(Model):
    """Which types a rule is for; all that is given must hold.

    Attributes:
        kind: of the type; types of kind `base` must be the server's own unless `extension` is given.
        names: any of these; empty = any name, which only kinds other than `base` may say.
        extension: that brings the type, in whatever schema it was installed.
        declared: regular expression that the whole declared type obeys, such as `geometry\\(\\w+,\\d+\\)`.
        precision, scale, dimensions: as the catalog says.
        scale_within_precision: 0 <= scale <= precision.
        profile: what the values must show.
    """

    kind: TypeKind
    names: tuple[Text, ...] = ()
    extension: Text | None = None
    declared: Text | None = None
    precision: Bounds | None = None
    scale: Bounds | None = None
    dimensions: Bounds | None = None
    scale_within_precision: Literal[True] | None = None
    profile: ProfileCondition | None = None

    @field_validator("declared")
    @classmethod
    def _is_a_pattern(cls, declared: str | None) -> str | None:
        try:
            re.compile(declared or "")
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        return declared

    @model_validator(mode="after")
    def _names_base_types(self) -> Matches:
        if self.kind == "base" and not self.names:
            raise ValueError("a rule for base types names them: what nobody thought of must have no rule")
        return self


class TypeRule(Model):
    """What becomes of a type.

    Templates may use `{precision} {scale} {length}` of the type, `{digits} {decimals}` of the profile, `{element}` (arrays, ranges),
    `{base}` (domains) and `{fields}` (composites). A domain is read and stored as its base type is, whatever its rule says.

    Attributes:
        rule_id: `PG-03`, with a letter for a part of a rule of the specification.
        matches: which types it is for.
        canonical: type in which values are compared; template.
        spark: Spark type of the column; template.
        parquet: how Parquet files hold it, in words; template.
        read: how values leave the server.
        nested_read: the same inside arrays, structs and ranges, where it differs.
        loss: see LossPolicy.
        loss_text: what is not, or not obviously, kept; why it is refused.
        remedy: what a person can do; always given for a refusal.
        question: to a person who edits the plan; template.
        declared_only: never chosen by itself: a person names it in the plan.
    """

    rule_id: RuleId
    matches: Annotated[tuple[Matches, ...], Field(min_length=1)]
    canonical: Text | None = None
    spark: Text | None = None
    parquet: Text | None = None
    read: ReadForm | None = None
    nested_read: ReadForm | None = None
    loss: LossPolicy
    loss_text: Text
    remedy: Text | None = None
    question: Text | None = None
    declared_only: bool = False

    @model_validator(mode="after")
    def _refuses_or_says_how(self) -> TypeRule:
        how = (self.canonical, self.spark, self.parquet, self.read)
        if self.loss == "refuse":
            if any(how) or self.nested_read or self.question:
                raise ValueError(f"{self.rule_id}: a refusal has no type, no form and no question")
            if not self.remedy:
                raise ValueError(f"{self.rule_id}: a refusal says what to do: remedy")
            if self.declared_only:
                raise ValueError(f"{self.rule_id}: a refusal cannot be declared")
        elif not all(how):
            raise ValueError(f"{self.rule_id}: canonical, spark, parquet and read are wanted")
        elif self.read is ReadForm.AS_IS and self.nested_read in (None, ReadForm.AS_IS):
            raise ValueError(f"{self.rule_id}: as_is has no form inside arrays, structs and ranges; nested_read is wanted")
        return self


class TypeRules(Model):
    """The rules of one pair of stores, in order: the first that matches decides."""

    type_: Literal["parity.type_rules.v1"] = Field(default="parity.type_rules.v1", alias="_type")
    pair: Annotated[str, Field(pattern="^[a-z0-9]+_[a-z0-9_]+$")]
    version: Annotated[int, Field(ge=1)]
    rules: Annotated[tuple[TypeRule, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> TypeRules:
        ids = [rule.rule_id for rule in self.rules]
        if twice := sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1}):
            raise ValueError(f"rules with the same id: {', '.join(twice)}")
        return self


class RuleFile(Model):
    """One file of rules; the digest of its bytes makes the digest of the rulebook cover it."""

    pair: Annotated[str, Field(pattern="^[a-z0-9]+_[a-z0-9_]+$")]
    path: Annotated[str, Field(pattern=r"^type_rules/[a-z0-9_]+\.json$")]
    sha256: Sha256


class Rulebook(Model):
    """The document `policy/type_coercion_rulebook.json`."""

    type_: Literal["parity.type_coercion_rulebook.v1"] = Field(default="parity.type_coercion_rulebook.v1", alias="_type")
    version: Annotated[int, Field(ge=1)]
    files: Annotated[tuple[RuleFile, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _pairs_are_unique(self) -> Rulebook:
        pairs = [file.pair for file in self.files]
        if twice := sorted({pair for pair in pairs if pairs.count(pair) > 1}):
            raise ValueError(f"pairs with two files: {', '.join(twice)}")
        return self


class Coercion(Model):
    """What becomes of one column's type, or of a part of it.

    Attributes:
        rule_id: that decided; None: no rule is for this type, so it is refused.
        native: the declared type.
        canonical, spark, parquet: types as text; None when refused.
        read: how values leave the server; None when refused.
        loss: see LossPolicy.
        reason: why, in words, for people.
        remedy: what a person can do; None when there is nothing to do.
        question: to the person who edits the plan.
        parts: `element` of arrays and ranges, `base` of domains, the fields of composites by name, in order.
    """

    rule_id: RuleId | None
    native: str
    canonical: str | None = None
    spark: str | None = None
    parquet: str | None = None
    read: ReadForm | None = None
    loss: LossPolicy
    reason: Text
    remedy: str | None = None
    question: str | None = None
    parts: tuple[CoercionPart, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether nothing is read."""
        return self.loss == "refuse"

    def part(self, name: str) -> Coercion:
        """Return the part of this name.

        Raises:
            KeyError: there is none.
        """
        for part in self.parts:
            if part.name == name:
                return part.coercion
        raise KeyError(name)

    def rule_ids(self) -> tuple[str, ...]:
        """Return every rule that decided, each once, outermost first."""
        own = (self.rule_id,) if self.rule_id else ()
        return tuple(dict.fromkeys((*own, *(rule_id for part in self.parts for rule_id in part.coercion.rule_ids()))))


class CoercionPart(Model):
    """A named part of a coercion."""

    name: str
    coercion: Coercion


Coercion.model_rebuild()
