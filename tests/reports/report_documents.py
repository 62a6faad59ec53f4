"""Results as the engine gives them, one per verdict and one hostile, to be shown by every report."""

from __future__ import annotations

from typing import Any

from reports.model import Bar, Breakdown, ColumnProfile, ReportData, SampleCell, SampleRow
from schemas.contract import Contract
from schemas.verdict import (
    ColumnResult,
    CompareResult,
    Counts,
    Coverage,
    Explanation,
    Finding,
    Fix,
    InputResult,
    Inputs,
    PlanChoice,
    Reason,
    RuleCount,
)

HOSTILE_VALUES = (
    "<script>alert(1)</script>",
    "\x1b[31mred\x1b[0m\x1b]0;owned\x07",
    "abc\u202etxt.exe\u202c",
    "nul\x00byte",
    "x" * 50_000 + "A" + "y" * 50_000,
    "👩\u200d👩\u200d👧 ❤\ufe0f 🇩🇪",
    "lone \ud800 surrogate",
    "cafe\u0301 \u00a0\u200b\ufeff",
    "| a | b |\n|---|---|\n![x](https://evil.example/x.png)",
    "`` ` `` @everyone #1 </details> <img src=x onerror=alert(1)> &amp;",
    "'\"--;DROP TABLE x;</style></script><!--",
    "\u2028\u2029\x85\x9b31m",
    "{{ 7 * 7 }}{% raw %}",
    "[bold red]markup[/bold red]",
)
HOSTILE_NAMES = ('a"b', "<b>bold</b>", "pipe|tick`", "\x1b[2Jclear", "rtl\u202egnp", "@org/team #12 [x](javascript:alert(1))")

LONG_TEXT = "The quick brown fox jumps over the lazy dog, again and again, until the column is full and the rest"

LINEITEM = (
    ("l_orderkey", "integer"),
    ("l_linenumber", "integer"),
    ("l_partkey", "integer"),
    ("l_suppkey", "integer"),
    ("l_quantity", "decimal(12,2)"),
    ("l_extendedprice", "decimal(12,2)"),
    ("l_discount", "decimal(12,2)"),
    ("l_tax", "decimal(12,2)"),
    ("l_returnflag", "text"),
    ("l_linestatus", "text"),
    ("l_shipdate", "date"),
    ("l_commitdate", "date"),
    ("l_receiptdate", "date"),
    ("l_shipinstruct", "text"),
    ("l_shipmode", "text"),
    ("l_comment", "text"),
)
TIMINGS = {
    "opening": 0.412,
    "first rows": 0.31,
    "fingerprints": 9.43,
    "duplicates": 0.4,
    "differences": 4.6,
    "explaining": 0.6,
    "total": 15.752,
}
VERSIONS = {"parity": "1.0.0", "pyspark": "4.0.2", "java": "17.0.13", "python": "3.11.7"}


def column(name: str, kind: str, **more: Any) -> ColumnResult:
    return ColumnResult(source=name, target=name, canonical_type=kind, compared=more.pop("compared", True), **more)


def inputs(
    rows: int, target_rows: int | None = None, pinned: bool = True, pin: str | None = "sha256:9f2c4be1a07d3c55 (manifest of 12 files)"
) -> Inputs:
    source = InputResult(uri="parquet:/data/tpch/lineitem", pin=pin, pinned=pinned, rows=rows, bytes=184_300_112, files=12)
    target = InputResult(
        uri="delta:/lake/tpch/lineitem@v12",
        pin="version 12" if pinned else None,
        pinned=pinned,
        rows=rows if target_rows is None else target_rows,
        bytes=201_004_988,
        files=31,
    )
    return Inputs(source=source, target=target)


def result(verdict: str, counts: Counts, **more: Any) -> CompareResult:
    contract = more.pop("contract", Contract(keys=("l_orderkey", "l_linenumber")))
    values: dict[str, Any] = {
        "reasons": (),
        "coverage": Coverage(rows=1, columns=1, partitions=1, text="all rows, 16 of 16 columns, all partitions"),
        "columns": tuple(column(name, kind) for name, kind in LINEITEM),
        "findings": (),
        "rules": (),
        "explanations": (),
        "inputs": inputs(counts.source_rows, counts.target_rows),
        "strength": contract.strength,
        "plan": PlanChoice(mode="funnel", reason="both sides are cheap to scan and few buckets differ"),
    }
    return CompareResult(
        verdict=verdict,
        exit_code={"FAIL": 1, "INCONCLUSIVE": 4}.get(verdict, 0),
        counts=counts,
        contract=contract.document(),
        contract_sha256=contract.digest(),
        session_sha256="5d41402abc4b2a76b9719d911017c592a3f5c0de0e6f8cf3c3dcb0ba9d0a1c22",
        canary="passed",
        timings=TIMINGS,
        versions=VERSIONS,
        **(values | more),
    )


def passed() -> ReportData:
    rows = 600_572
    return ReportData(
        result(
            "PASS",
            Counts(source_rows=rows, target_rows=rows, matched=rows),
            findings=(
                Finding(
                    class_="constant",
                    column="l_linestatus",
                    severity="INFO",
                    text="One and the same value in all rows of both sides: it proves little.",
                ),
            ),
        ),
        duration_s=12.4,
    )


def _tax(key: int, source: str, target: str) -> SampleRow:
    return SampleRow(
        "changed", (("l_orderkey", str(key)), ("l_linenumber", "1")), (SampleCell("l_tax", "value", source, target),), ("rounded",)
    )


def _whole(row_class: str, key: int, on_source: bool) -> SampleRow:
    values = {
        "l_orderkey": str(key),
        "l_linenumber": "3",
        "l_quantity": "17.00",
        "l_shipmode": "TRUCK",
        "l_comment": "carefully final deposits ",
    }
    cells = tuple(SampleCell(name, "value", value if on_source else None, None if on_source else value) for name, value in values.items())
    return SampleRow(row_class, (("l_orderkey", str(key)), ("l_linenumber", "3")), cells)


def failed() -> ReportData:
    """The case of the issue: one column rounded, two rows lost, one doubled."""
    counts = Counts(
        source_rows=600_572, target_rows=600_571, matched=592_570, changed=8_000, missing=2, extra=1, multiplicity=1, duplicate_keys=1
    )
    columns = tuple(
        column(name, kind, changed=8_000, classes={"value": 8_000}, max_abs_delta="0.04", max_rel_delta="1.0")
        if name == "l_tax"
        else column(name, kind)
        for name, kind in LINEITEM
    )
    explanations = (
        Explanation(
            cause="rounded",
            role="mechanism",
            columns=("l_tax",),
            row_classes=("changed",),
            statement="l_tax is rounded to 1 digit in the target.",
            share=0.999625,
            **{"for": ("l_orderkey=1, l_linenumber=1: 0.04 → 0.0", "l_orderkey=7, l_linenumber=1: 0.08 → 0.1")},
            against=(),
            fix=Fix(kind="contract_rule", text="--rule l_tax=round:1"),
        ),
        Explanation(
            cause="lost_rows",
            role="rest",
            row_classes=("missing",),
            statement="2 rows of 2 different orders did not arrive; no file or partition is missing as a whole.",
            share=0.000249,
            **{"for": ("l_orderkey=4,102", "l_orderkey=99,877")},
            fix=Fix(kind="reload", text="Load the missing keys again: result.missing() names them"),
        ),
        Explanation(
            cause="duplicated_rows",
            role="mechanism",
            row_classes=("extra",),
            statement="1 row was loaded twice.",
            share=0.000124,
            **{"for": ("l_orderkey=31,042",)},
            fix=Fix(
                kind="sql",
                text="DELETE FROM lineitem t\nWHERE t.ctid > (SELECT min(d.ctid) FROM lineitem d\n"
                "  WHERE d.l_orderkey = t.l_orderkey AND d.l_linenumber = t.l_linenumber);",
            ),
        ),
        Explanation(
            cause="float_widened",
            role="refuted",
            columns=("l_tax",),
            row_classes=(),
            statement="l_tax went through a 32-bit float.",
            share=0.0,
            against=("0.04 would have become 0.03999999910593033",),
            fix=Fix(kind="investigate", text="Nothing to do: refuted"),
        ),
    )
    samples = tuple(_tax(1 + 6 * n, f"{0.01 * (n % 9):.2f}", f"{round(0.01 * (n % 9), 1):.1f}") for n in range(1, 38) if n % 9)
    samples += (_whole("missing", 4102, True), _whole("missing", 99877, True), _whole("multiplicity", 31042, False))
    return ReportData(
        result(
            "FAIL",
            counts,
            columns=columns,
            explanations=explanations,
            reasons=(
                Reason(code="changed", text="8,000 rows differ in value"),
                Reason(code="missing", text="2 rows are missing in the target"),
                Reason(code="extra", text="1 row is extra in the target"),
            ),
            findings=(
                Finding(class_="duplicate_keys", column=None, severity="MEDIUM", text="1 key has more than one row on the target side."),
                Finding(
                    class_="widened",
                    column="l_partkey",
                    severity="INFO",
                    text="int in the source, bigint in the target: compared as bigint.",
                ),
            ),
        ),
        samples=samples,
        sample_total=8_003,
        breakdowns=(
            Breakdown("Differences by column", "cells", (Bar("l_tax", 8_000),)),
            Breakdown(
                "Differences by partition",
                "rows",
                (
                    Bar("l_shipmonth=1996-01", 2_710),
                    Bar("l_shipmonth=1996-02", 2_644),
                    Bar("l_shipmonth=1996-03", 2_646),
                    Bar("l_shipmonth=1997-11", 2),
                    Bar("l_shipmonth=1998-02", 1),
                ),
            ),
        ),
        profiles=(
            ColumnProfile("l_orderkey", "key", None, "internal", "declared key"),
            ColumnProfile("l_tax", "critical", None, "internal", "name: tax; decimal with scale 2"),
            ColumnProfile(
                "l_comment", "informational", "free_text", "confidential", "free text, 4 % of the values look like names; masked"
            ),
        ),
        settings=(("source format", "Parquet, schemas of 12 files merged"), ("session time zone", "UTC"), ("ANSI", "true")),
        severities=(("l_tax", "CRITICAL"),),
        duration_s=15.132,
    )


def failed_many() -> ReportData:
    """Many kinds of differences at once, with schema drift and masked values."""
    counts = Counts(
        source_rows=1_203_441,
        target_rows=1_203_402,
        matched=1_150_100,
        matched_by_rule=12_000,
        changed=41_300,
        missing=41,
        extra=2,
        null_keys=3,
        duplicate_keys=12,
    )
    columns = (
        column("id", "integer"),
        column("email", "text", changed=23_411, classes={"value": 23_400, "null_to_value": 11}),
        column("full_name", "text", changed=9_120, classes={"value": 9_120}),
        column("balance", "decimal(18,4)", changed=8_400, classes={"value": 8_400}, max_abs_delta="123456.7800", max_rel_delta="99.0"),
        column("created_at", "timestamp", changed=5_002, classes={"value": 5_002}, max_abs_delta="7200", max_rel_delta="0.0000042"),
        column("note", "text", changed=310, classes={"value_to_null": 300, "unparsable": 10}),
        ColumnResult(source="status", target="status", canonical_type="text / integer", compared=False),
        ColumnResult(source="legacy_flag", target=None, canonical_type="boolean", compared=False),
        column("country", "text", classes={"normalised:rtrim": 12_000}),
        column("city", "text"),
        column("zip", "text"),
    )
    zone = Explanation(
        cause="constant_offset",
        role="mechanism",
        columns=("created_at",),
        row_classes=("changed",),
        statement="created_at is 2 h later in the target: Europe/Berlin wall clock was stored as UTC.",
        share=0.121,
        place=3,
        place_share=1.0,
        **{"for": ("id=5: 2024-07-01T10:00:00Z → 2024-07-01T12:00:00Z", "id=9: 2024-07-02T08:30:00Z → 2024-07-02T10:30:00Z")},
        against=("id=12,044: only 1 h, in winter",),
        fix=Fix(kind="spark", text='F.to_utc_timestamp("created_at", "Europe/Berlin")'),
    )
    explanations = (
        Explanation(
            cause="trailing_blanks",
            role="mechanism",
            columns=("email",),
            row_classes=("changed",),
            statement="email has trailing blanks in the target (CHAR padding).",
            share=0.5664,
            **{"for": ("id=17", "id=23")},
            fix=Fix(kind="contract_rule", text="--rule email=rtrim"),
        ),
        Explanation(
            cause="nfc",
            role="mechanism",
            columns=("full_name",),
            row_classes=("changed",),
            statement="full_name: é as one character in the source, as e and U+0301 in the target.",
            share=0.2207,
            **{"for": ("id=88",)},
            against=(),
            fix=Fix(kind="contract_rule", text="--rule full_name=nfc"),
        ),
        zone,
        Explanation(
            cause="value_cluster",
            statement="In 5,002 of 41,300 changed rows country is 'DE', against 3 of 2,000 equal rows: one part of the load is affected.",
            role="place",
            row_classes=("changed",),
            share=0.121,
            condition="country is 'DE'",
            fix=Fix(kind="reload", text="In the target, replace the rows where country <=> 'DE' by those of the source."),
        ),
        Explanation(
            cause="unknown",
            role="rest",
            row_classes=("changed",),
            statement="No cause fits the rest.",
            share=0.03,
            fix=Fix(kind="investigate", text="Start with id=4711, the largest difference"),
        ),
    )
    samples = (
        SampleRow(
            "changed", (("id", "17"),), (SampleCell("email", "value", "ana@example.org", "ana@example.org     "),), ("trailing_blanks",)
        ),
        SampleRow(
            "changed",
            (("id", "88"),),
            (
                SampleCell("full_name", "value", "José Núñez", "Jose\u0301 Nu\u0301n\u0303ez"),
                SampleCell("balance", "value", "1234.5600", "123456.0000"),
            ),
            ("nfc",),
        ),
        SampleRow(
            "changed",
            (("id", "5"),),
            (SampleCell("created_at", "value", "2024-07-01T10:00:00.000000Z", "2024-07-01T12:00:00.000000Z"),),
            ("constant_offset",),
        ),
        SampleRow(
            "changed", (("id", "91"),), (SampleCell("note", "value_to_null", "", None), SampleCell("email", "null_to_value", None, "NULL"))
        ),
        SampleRow(
            "changed",
            (("id", "92"),),
            (
                SampleCell(
                    "note",
                    "value",
                    f"{LONG_TEXT} of the sentence is cut off",
                    LONG_TEXT,
                ),
            ),
        ),
        SampleRow("changed", (("id", "93"),), (SampleCell("full_name", "value", "Anna Маier", "Anna Maier"),)),
        SampleRow("changed", (("id", "94"),), (SampleCell("iban", "value", "masked:3f9a", "masked:88c1", masked=True),)),
        SampleRow("changed", (("id", None),), (SampleCell("note", "value", "line one\nline two\tend", "line one\r\nline two end"),)),
        SampleRow(
            "missing",
            (("id", "1,400"),),
            (
                SampleCell("id", "value", "1400", None),
                SampleCell("email", "value", "bo@example.org", None),
                SampleCell("balance", "value", "0.0000", None),
            ),
        ),
        SampleRow(
            "extra", (("id", "9001"),), (SampleCell("id", "value", None, "9001"), SampleCell("email", "value", None, "test@example.org"))
        ),
    )
    return ReportData(
        result(
            "FAIL",
            counts,
            contract=Contract(keys=("id",), rules={"country": ("rtrim",)}),
            columns=columns,
            explanations=explanations,
            coverage=Coverage(rows=1, columns=0.8181818181818182, partitions=1, text="all rows, 9 of 11 columns, all partitions"),
            reasons=(
                Reason(code="changed", text="41,300 rows differ"),
                Reason(code="type_changed", text="status is text in the source and integer in the target; it was not compared"),
                Reason(code="missing_column", text="legacy_flag is missing in the target"),
            ),
            findings=(
                Finding(class_="null_keys", column="id", severity="MEDIUM", text="3 rows have a NULL key."),
                Finding(class_="type_changed", column="status", severity="HIGH", text="text in the source, integer in the target."),
                Finding(class_="missing_column", column="legacy_flag", severity="HIGH", text="The target has no such column."),
            ),
            rules=(RuleCount(column="country", rule="rtrim", rows=12_000),),
        ),
        samples=samples,
        sample_total=41_343,
        breakdowns=(
            Breakdown("Differences by column", "cells", tuple(Bar(c.source or "", c.changed) for c in columns if c.changed)),
            Breakdown("Differences by bucket", "rows", tuple(Bar(f"bucket {n}", 1000 + (n * 7919) % 900) for n in range(30))),
        ),
        profiles=(
            ColumnProfile("email", "critical", "email", "restricted", "name and 99.8 % of the values"),
            ColumnProfile("iban", "critical", "iban", "restricted", "checksum of 100 % of the values; masked"),
        ),
        severities=(("email", "CRITICAL"), ("balance", "CRITICAL"), ("full_name", "HIGH"), ("created_at", "HIGH"), ("note", "LOW")),
        duration_s=83.0,
    )


def inconclusive() -> ReportData:
    rows = 250_000
    columns = tuple(column(name, kind, compared=name != "l_comment") for name, kind in LINEITEM)
    return ReportData(
        result(
            "INCONCLUSIVE",
            Counts(source_rows=rows, target_rows=rows, matched=rows),
            columns=columns,
            coverage=Coverage(rows=1, columns=0.9375, partitions=1, text="all rows, 15 of 16 columns, all partitions"),
            reasons=(
                Reason(code="unhashable_column", text="l_comment is a calendar interval, which has no canonical form"),
                Reason(code="source_changed", text="2 files of the source changed between the first and the second pass"),
            ),
            findings=(
                Finding(class_="source_changed", severity="HIGH", text="part-00003.parquet and part-00004.parquet have a new etag."),
            ),
        ),
        duration_s=41.0,
    )


def sampled() -> ReportData:
    counts = Counts(source_rows=9_400, target_rows=9_400, matched=9_400, source_rows_total=600_572, target_rows_total=600_572)
    return ReportData(
        result(
            "SAMPLED_PASS",
            counts,
            contract=Contract(keys=("l_orderkey", "l_linenumber"), sample="1/64"),
            coverage=Coverage(rows=0.015651744, columns=1, partitions=1, text="9,400 of 600,572 rows (1.56 %), 16 of 16 columns"),
            reasons=(
                Reason(
                    code="sample",
                    text="Only a sample of 1/64 was compared: 9,400 rows of 600,572. At 95 % at most 3/9,400 = 0.032 % of all rows differ.",
                ),
            ),
        ),
        duration_s=3.2,
    )


def with_rules() -> ReportData:
    counts = Counts(source_rows=600_572, target_rows=600_572, matched=588_172, matched_by_rule=12_400)
    contract = Contract(
        keys=("l_orderkey", "l_linenumber"),
        rules={"l_comment": ("rtrim", "nfc")},
        tolerance={"l_extendedprice": "abs:0.01"},
        exclude=("load_ts",),
    )
    return ReportData(
        result(
            "PASS_WITH_RULES",
            counts,
            contract=contract,
            coverage=Coverage(rows=1, columns=16 / 17, partitions=1, text="all rows, 16 of 17 columns (load_ts excluded), all partitions"),
            rules=(
                RuleCount(column="l_comment", rule="rtrim", rows=12_000),
                RuleCount(column="l_extendedprice", rule="abs:0.01", rows=412),
                RuleCount(column="l_comment", rule="nfc", rows=0),
            ),
            reasons=(
                Reason(code="matched_by_rule", text="12,400 rows are equal only by a rule"),
                Reason(code="columns_excluded", text="The contract leaves out column load_ts."),
            ),
        ),
        duration_s=14.0,
    )


def hostile() -> ReportData:
    """Everything that came from data is an attack."""
    names = HOSTILE_NAMES
    text = " ".join(HOSTILE_VALUES[:4]) + HOSTILE_VALUES[8] + HOSTILE_VALUES[9] + HOSTILE_VALUES[10]
    counts = Counts(source_rows=100, target_rows=100, matched=100 - len(HOSTILE_VALUES), changed=len(HOSTILE_VALUES))
    columns = tuple(
        column(name, text[:60], changed=2, classes={text[:40]: 2}, max_abs_delta="\x1b[5m9", max_rel_delta="<i>") for name in names
    )
    samples = tuple(
        SampleRow(
            "changed",
            ((names[index % len(names)], value),),
            (SampleCell(names[index % len(names)], text[:30], value, value[:-1] + "Z" + value[-1:]),),
            (text[:20],),
        )
        for index, value in enumerate(HOSTILE_VALUES)
    )
    bad = InputResult(uri="parquet:/x\x1b]8;;https://evil.example\x07</script>", pin=text, pinned=True, rows=100)
    return ReportData(
        result(
            "FAIL",
            counts,
            contract=Contract(keys=("id",), rules=dict.fromkeys(names, ("rtrim",))),
            columns=columns,
            reasons=(Reason(code="type_<script>", text=text),),
            findings=(Finding(class_=text[:40], column=names[1], severity="LOW", text=text),),
            rules=(RuleCount(column=names[2], rule=text[:50], rows=1),),
            explanations=(
                Explanation(
                    cause=text[:30],
                    statement=f"{names[0]} is {text}",
                    role="mechanism",
                    columns=names[:1],
                    row_classes=("changed",),
                    share=0.9,
                    **{"for": (text,)},
                    against=(text,),
                    fix=Fix(kind="sql", text=text),
                ),
            ),
            coverage=Coverage(rows=1, columns=1, partitions=1, text=text),
            plan=PlanChoice(mode="funnel", reason=text),
            inputs=Inputs(source=bad, target=bad),
        ),
        samples=samples,
        sample_total=len(samples),
        breakdowns=(Breakdown(text[:80], text[:20], tuple(Bar(name, 2, text) for name in names)),),
        profiles=(ColumnProfile(names[0], text[:10], text[:20], text[:20], text),),
        settings=((names[1], text),),
        severities=((names[0], "HIGH"),),
        duration_s=1.0,
    )


ALL = {
    "pass": passed,
    "fail": failed,
    "fail_many": failed_many,
    "inconclusive": inconclusive,
    "sampled": sampled,
    "rules": with_rules,
    "hostile": hostile,
}
