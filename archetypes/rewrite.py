"""A plan to code: a dbt project over the published tables, Spark jobs, statements of tables and catalogs, views of the source."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import Any, Literal

import yaml
from jinja2 import Environment, StrictUndefined

from archetypes.mapping import VERSION, discovered, proven_keys, shown
from archetypes.planning import mapped
from archetypes.rewrite_tables import GeneratedTable, dbt_location, generated_tables
from archetypes.step_output import digest_of, finished
from archetypes.target_ddl import athena_ddl, spark_ddl
from archetypes.target_names import alike, plain_name, plain_names
from archetypes.views import Readable, UntranslatableError, ViewDialect, output_columns, tables_of, translate_view
from connectors.postgres_columns import ReadColumn, select_sql
from engine.portable_sql import quote_identifier
from schemas.agent_output import (
    Citation,
    DiscoveredKey,
    DiscoveredObject,
    DiscoveryResult,
    GeneratedFile,
    ObjectName,
    RewriteResult,
    SourceSql,
    StepFinding,
    StepOutput,
    TranslatedView,
)
from schemas.canonical_json import sha256_of
from schemas.plan import MigrationPlan

__all__ = ["rewrite"]

Kind = Literal["dbt_project", "dbt_sources", "dbt_model", "dbt_schema", "dbt_test", "spark_job", "ddl", "view", "check", "other"]

_PUBLISHED = "@published"  # what the macro source() replaces by the location that the manifest names
_DBT = ">=1.10.8,<2.0.0"
_VIEW_KINDS = ("view", "materialized_view")
_SAME_TEXT = ("text", "varchar", "name", "uuid")


@dataclass(frozen=True)
class _File:
    path: str
    text: str
    kind: Kind


@dataclass(frozen=True)
class _View:
    """A view of the source: its model, or why there is none."""

    found: DiscoveredObject
    place: int
    model: str
    reason: str | None = None


def rewrite(
    plan: MigrationPlan, discovery: StepOutput, mapping: StepOutput, versions: Mapping[str, str] | None = None
) -> tuple[StepOutput, Mapping[str, str]]:
    """Return the document of the step, and the text of every file by its path; equal inputs give equal bytes.

    The files: `dbt/…` a project for dbt-duckdb whose sources are the published tables; `spark/<table>.py` jobs; `ddl/`, `catalog/` and
    `views/` statements for Spark and Athena.

    Args:
        versions: that are published, by table of the plan; of the others the statements have `{version}` in its place.

    Raises:
        InputError: a document is of another step, or the plan names what is not in the discovery.
        ConfigError: nobody has decided about a column, or its rule is not for its type.
    """
    found = discovered(discovery)
    mapped(mapping)
    tables = generated_tables(plan, discovery)
    staged = tuple(table for table in tables if table.unstaged is None)
    views, view_files = _views(plan, found, tables)
    files = [
        *_project(plan, staged),
        *(file for table in staged for file in _staging(plan, table)),
        *_data_tests(plan, staged),
        *(file for table in tables for file in _statements(plan, table, (versions or {}).get(table.planned.name))),
        *(_spark_job(plan, table) for table in tables),
        *view_files,
    ]
    files.sort(key=lambda file: file.path)
    inputs = {"discovery": digest_of(discovery), "mapping": digest_of(mapping), "plan": plan.digest()}
    if versions:
        inputs["versions"] = sha256_of(dict(versions))
    result = RewriteResult(
        files=tuple(_generated(file) for file in files),
        source_sql_map=tuple(_rules_of(table) for table in tables),
        views=tuple(_translated(view, inputs["discovery"]) for view in views),
    )
    output = finished(
        "rewrite",
        dataset=plan.schema_name,
        inputs=inputs,
        result=result,
        findings=[*_unstaged(tables), *_untranslated(views, inputs["discovery"])],
        rules=Counter(rule_id for table in tables for column in table.columns for rule_id in column.coercion.rule_ids()),
        archetype=plan.archetype,
        migration=discovery.migration,
        epoch=discovery.epoch,
        status="PARTIAL" if any(view.reason for view in views) or len(staged) < len(tables) else "DONE",
    )
    return output, {file.path: file.text for file in files}


# dbt


def _project(plan: MigrationPlan, tables: Iterable[GeneratedTable]) -> Iterator[_File]:
    name = f"parity_{plain_name(plan.schema_name)}"
    project = {
        "name": name,
        "version": "1.0.0",
        "config-version": 2,
        "require-dbt-version": [_DBT.split(",")[0], _DBT.split(",")[1]],
        "profile": name,
        "model-paths": ["models"],
        "macro-paths": ["macros"],
        "test-paths": ["tests"],
        "vars": {"parity_target": _dbt_text(dbt_location(plan.target))},
    }
    duckdb: dict[str, Any] = {
        "type": "duckdb",
        "path": "{{ env_var('PARITY_DUCKDB', 'parity.duckdb') }}",
        "threads": 1,
        "settings": {"TimeZone": "UTC"},
    }
    if plan.target.startswith("s3"):
        duckdb |= {"extensions": ["httpfs", "aws"], "secrets": [{"type": "s3", "provider": "credential_chain"}]}
    sources = [
        {
            "name": table.stem,
            "description": _plain_text(f"{table.shown}, as published under {table.planned.path}"),
            "config": {
                "meta": {
                    "manifest": f"{{{{ var('parity_target') }}}}/{_dbt_text(table.folder)}/_parity/manifest.json",
                    "external_location": _external_location(table),
                    "formatter": "oldstyle",
                }
            },
        }
        for table in tables
    ]
    yield _File("dbt/dbt_project.yml", _yaml(project), "dbt_project")
    yield _File("dbt/profiles.yml", _yaml({name: {"target": "local", "outputs": {"local": duckdb}}}), "dbt_project")
    yield _File("dbt/macros/published.sql", _template("published.sql.txt"), "dbt_project")
    document = {"version": 2, "sources": [{"name": _source(plan), "tables": sources}]}
    yield _File("dbt/models/staging/_sources.yml", _yaml(document), "dbt_sources")


def _external_location(table: GeneratedTable) -> str:
    """Return the call that reads the files of the published version; types of folders are not guessed."""
    target = "{{ var('parity_target') | replace('%', '%%') | replace(\"'\", \"''\") }}"
    files = f"{target}/{_dbt_text(_literal_body(table.folder)).replace('%', '%%')}/{_PUBLISHED}/**/*.parquet"
    folders = "true, hive_types_autocast = false" if table.planned.partition_by else "false"
    return f"read_parquet('{files}', hive_partitioning = {folders})"


def _source(plan: MigrationPlan) -> str:
    return plain_name(plan.schema_name)


def _staging(plan: MigrationPlan, table: GeneratedTable) -> Iterator[_File]:
    columns = [
        {
            "source": _dbt_text(_quoted(column.target)),
            "type": _dbt_text(column.duckdb),
            "name": _quoted(column.exposed),
            "rule": f"{column.coercion.rule_id}: {_plain_text(column.coercion.native)}",
        }
        for column in table.columns
    ]
    text = _template(
        "staging.sql.txt",
        about=_plain_text(table.shown),
        columns=columns,
        schema=_jinja_text(_source(plan)),
        table=_jinja_text(table.stem),
    )
    yield _File(f"dbt/models/staging/{table.model}.sql", text, "dbt_model")


def _data_tests(plan: MigrationPlan, tables: tuple[GeneratedTable, ...]) -> Iterator[_File]:
    """Return what must hold of the rows because the source enforces it."""
    models = []
    for table in tables:
        keys = [key for key in proven_keys(table.found) if all(table.column(name) for name in key)]
        columns = [entry for column in table.columns if (entry := _column_tests(table, column.source, keys, tables)) is not None]
        models.append({"name": table.model, "description": _plain_text(table.shown), "columns": columns})
        for number, key in enumerate((key for key in keys if len(key) > 1), start=1):
            yield _unique_test(table, key, number)
        for number, (reference, parent) in enumerate(_references(table, tables, several=True), start=1):
            yield _reference_test(table, reference, parent, number)
    yield _File("dbt/models/staging/_staging.yml", _yaml({"version": 2, "models": models}), "dbt_schema")


def _column_tests(
    table: GeneratedTable, source: str, keys: Iterable[tuple[str, ...]], tables: Iterable[GeneratedTable]
) -> dict[str, Any] | None:
    column = table.column(source)
    if column is None:
        return None
    tests: list[Any] = [] if column.found.nullable else ["not_null"]
    if (source,) in keys:
        tests.append("unique")
    labels = _labels(column.found)
    if labels and column.spark == "string" and not any("{" in label for label in labels):
        tests.append({"accepted_values": {"arguments": {"values": [_sql_text(label) for label in labels], "quote": False}}})
    for key, parent in _references(table, tables, several=False):
        referenced = parent.column(key.referenced_columns[0])
        if key.columns == (source,) and referenced is not None:
            arguments = {"to": f"ref('{parent.model}')", "field": _quoted(referenced.exposed)}
            tests.append({"relationships": {"arguments": arguments}})
    entry: dict[str, Any] = {"name": column.exposed, "quote": True}
    return {**entry, "data_tests": tests} if tests else entry


def _labels(column: Any) -> tuple[str, ...]:
    native = column.native_type
    while native.base is not None:
        native = native.base
    return tuple(native.labels) if native.kind == "enum" else ()


def _references(
    table: GeneratedTable, tables: Iterable[GeneratedTable], *, several: bool
) -> Iterator[tuple[DiscoveredKey, GeneratedTable]]:
    """Yield the foreign keys that hold of the files as they do of the source, with the table that each refers to."""
    by_name = {one.found.name: one for one in tables}
    for key in table.found.keys:
        parent = by_name.get(key.references) if key.kind == "foreign" and key.validated and key.references else None
        if parent is None or (len(key.columns) > 1) is not several or len(key.columns) != len(key.referenced_columns):
            continue
        inherited = any(one.found.kind == "table" and one.found.partitions for one in (table, parent))
        pairs = [(table.column(a), parent.column(b)) for a, b in zip(key.columns, key.referenced_columns, strict=True)]
        if not inherited and all(a is not None and b is not None and _compares(a, b) for a, b in pairs):
            yield key, parent


def _compares(child: Any, parent: Any) -> bool:
    """Whether values that the source takes for equal are equal in the files."""
    if child.found.collation or parent.found.collation:
        return False
    if "string" in (child.spark, parent.spark):
        names = {child.found.native_type.name, parent.found.native_type.name}
        kinds = {child.found.native_type.kind, parent.found.native_type.kind}
        return child.spark == parent.spark and (kinds == {"enum"} or names <= set(_SAME_TEXT))
    return "<" not in child.spark + parent.spark


def _unique_test(table: GeneratedTable, key: tuple[str, ...], number: int) -> _File:
    columns = ", ".join(_quoted(column.exposed) for column in table.columns if column.source in key)
    text = _template("unique.sql.txt", about=_plain_text(", ".join(key)), columns=columns, model=_jinja_text(table.model))
    return _File(f"dbt/tests/{table.stem}_unique_{number}.sql", text, "dbt_test")


def _reference_test(table: GeneratedTable, key: DiscoveredKey, parent: GeneratedTable, number: int) -> _File:
    pairs = [
        (_quoted(child.exposed), _quoted(other.exposed))
        for a, b in zip(key.columns, key.referenced_columns, strict=True)
        if (child := table.column(a)) and (other := parent.column(b))
    ]
    text = _template(
        "references.sql.txt",
        about=_plain_text(f"{table.shown} ({', '.join(key.columns)}) refers to rows of {parent.shown}"),
        child_columns=", ".join(child for child, _ in pairs),
        child=_jinja_text(table.model),
        parent=_jinja_text(parent.model),
        present=" and ".join(f"{child} is not null" for child, _ in pairs),
        equal=" and ".join(f"parent.{other} = child.{child}" for child, other in pairs),
    )
    return _File(f"dbt/tests/{table.stem}_references_{number}.sql", text, "dbt_test")


# Spark, Athena


def _statements(plan: MigrationPlan, table: GeneratedTable, version: str | None) -> Iterator[_File]:
    above = f"{plan.target.rstrip('/')}/{table.folder}"
    location = f"{above}/{VERSION if version is None else VERSION.format(version=version)}"
    columns = [(column.target, column.spark) for column in table.columns]
    folders = [column.target for column in table.columns if column.source in table.planned.partition_by]
    pointer = _plain_text(f"{above}/_parity/manifest.json")
    head = f"-- Generated by Parity. The folder is the version that {pointer} names; another run writes another one, and this file again.\n"
    if version is None:
        head = f"-- Generated by Parity before the table was published: {{version}} is the one that {pointer} will name.\n"
    yield _File(f"ddl/spark/{table.stem}.sql", f"{head}{spark_ddl(table.stem, columns, folders, location)};\n", "ddl")
    if table.unstaged is not None or not plan.target.startswith("s3"):
        return
    database = _source(plan)
    registered = athena_ddl(database, table.stem, columns, folders, re.sub("^s3a:", "s3:", location))
    name = f"{quote_identifier('spark', database)}.{quote_identifier('spark', table.stem)}"
    repair = f"MSCK REPAIR TABLE {name};\n" if folders else ""
    yield _File(f"catalog/athena/{table.stem}.sql", f"{head}{registered};\n{repair}", "ddl")
    counted = f"{quote_identifier('redshift', database)}.{quote_identifier('redshift', table.stem)}"
    counting = " ".join(("SELECT count(*) AS row_count FROM", counted))
    check = f"-- Generated by Parity: must be the number of rows in the manifest.\n{counting};\n"
    yield _File(f"catalog/athena/{table.stem}_check.sql", check, "check")


def _spark_job(plan: MigrationPlan, table: GeneratedTable) -> _File:
    path = f"spark/{table.stem}.py"
    columns = [
        {
            "name": _python_text(column.source),
            "sql": _python_text(select_sql(ReadColumn(column.source, column.found.native_type, column.coercion))),
            "rule": _python_text(column.coercion.rule_id or ""),
            "target": _python_text(column.target),
            "type": _python_text(column.spark),
        }
        for column in table.columns
    ]
    text = _template(
        "spark_job.py.txt",
        title=_docstring(f"Moves {table.shown} to {table.planned.path}."),
        file=path,
        schema=_python_text(plan.schema_name),
        table=_python_text(table.planned.name),
        columns=columns,
        path=_python_text(table.planned.path),
        partition_by=_python_texts(table.planned.partition_by),
        sort_by=_python_texts(table.planned.sort_by),
        file_mib=table.planned.file_mib,
    )
    return _File(path, text, "spark_job")


# views


def _views(plan: MigrationPlan, discovery: DiscoveryResult, tables: tuple[GeneratedTable, ...]) -> tuple[tuple[_View, ...], list[_File]]:
    """Return every view with its model or the reason why there is none; a view comes after those that it reads."""
    found = {one.name: (place, one) for place, one in enumerate(discovery.objects) if one.kind in _VIEW_KINDS}
    stems, taken = plain_names(_stem_of(name, plan) for name in found), {table.model for table in tables} | {table.stem for table in tables}
    models = {name: _beside(stems[_stem_of(name, plan)].strip("_"), taken) for name in found}
    staged = {table.found.name: table.readable((table.model,), staged=True) for table in tables if table.unstaged is None}
    stored = {table.found.name: table.readable((table.stem,), staged=False) for table in tables if table.unstaged is None}
    done: dict[ObjectName, _View] = {}
    files: list[_File] = []

    def translate(name: ObjectName, above: tuple[ObjectName, ...]) -> None:
        place, one = found[name]
        view = _View(one, place, models[name])
        try:
            if one.sql is None:  # one that is refused may still be translated: its rows are not read, its query is known
                raise UntranslatableError(one.refusal or "its query is not known.")
            for read in tables_of(name, one.sql):
                if read in found and read not in done and read not in above:
                    translate(read, (*above, name))
                if read in done and done[read].reason is not None:
                    raise UntranslatableError(f"it reads {shown(read.schema_name, read.name)}, which is not translated.")
            made = _view_files(view, staged, stored)
            columns = output_columns(name, one.sql, staged)
            if groups := alike(columns):
                raise UntranslatableError(f"its columns {', '.join(groups[0])} differ only in case.")
            staged[name], stored[name] = Readable((view.model,), columns), Readable((view.model,), columns)
            files.extend(made)
        except UntranslatableError as reason:
            view = replace(view, reason=str(reason))
        done[name] = view

    for name in found:
        if name not in done:
            translate(name, ())
    return tuple(done[name] for name in found), files


def _beside(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_view"
    return name


def _stem_of(name: ObjectName, plan: MigrationPlan) -> str:
    return name.name if name.schema_name == plan.schema_name else f"{name.schema_name}.{name.name}"


def _view_files(view: _View, staged: Mapping[ObjectName, Readable], stored: Mapping[ObjectName, Readable]) -> list[_File]:
    name, sql = view.found.name, view.found.sql or ""
    about = _plain_text(f"{view.found.kind.replace('_', ' ')} {shown(name.schema_name, name.name)}")
    materialized = "table" if view.found.kind == "materialized_view" else "view"
    marked = {one: Readable((_mark(readable),), readable.columns) for one, readable in staged.items()}
    query = _dbt_text(translate_view(name, sql, marked, "duckdb"))
    for readable in staged.values():
        query = query.replace(_quoted(_mark(readable)), f"{{{{ ref({_jinja_text(readable.parts[0])}) }}}}")
    text = _template("view.sql.txt", materialized=_jinja_text(materialized), about=about, query=query)
    files = [_File(_model_path(view), text, "dbt_model")]
    dialects: tuple[tuple[ViewDialect, str], ...] = (("spark", "spark"), ("athena", "redshift"))
    for dialect, quotes in dialects:
        try:
            translated = translate_view(name, sql, stored, dialect)
        except UntranslatableError:
            continue
        head = f"-- Generated by Parity from {about}: change the source, not this file.\n"
        create = f"CREATE OR REPLACE VIEW {quote_identifier(quotes, view.model)} AS\n"
        files.append(_File(f"views/{dialect}/{view.model}.sql", f"{head}{create}{translated};\n", "view"))
    return files


def _mark(readable: Readable) -> str:
    """Return a name that stands for a model until the query is written, and that no query contains."""
    return "parity_" + hashlib.sha256("/".join(readable.parts).encode()).hexdigest()


def _model_path(view: _View) -> str:
    return f"dbt/models/views/{view.model}.sql"


# the document


def _generated(file: _File) -> GeneratedFile:
    content = file.text.encode("utf-8")
    return GeneratedFile(origin="metadata", path=file.path, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content), kind=file.kind)


def _rules_of(table: GeneratedTable) -> SourceSql:
    rules = dict.fromkeys(rule_id for column in table.columns for rule_id in column.coercion.rule_ids())
    return SourceSql(object=table.model, rule_ids=tuple(sorted(rules)))


def _cited(view: _View, discovery_sha256: str) -> tuple[Citation, ...]:
    return (Citation(sha256=discovery_sha256, pointer=f"/result/objects/{view.place}"),)


def _translated(view: _View, discovery_sha256: str) -> TranslatedView:
    if view.reason is None:
        return TranslatedView(origin="metadata", name=view.found.name, path=_model_path(view))
    return TranslatedView(origin="refused", citations=_cited(view, discovery_sha256), name=view.found.name, reason=view.reason)


def _untranslated(views: Iterable[_View], discovery_sha256: str) -> Iterator[StepFinding]:
    for view in views:
        if view.reason is not None:
            named = shown(view.found.name.schema_name, view.found.name.name)
            text = f"The view is not translated: {view.reason} Write it by hand, on the staging models."
            cited = _cited(view, discovery_sha256)
            yield StepFinding(code="untranslated_view", severity="MEDIUM", object=named, text=text, citations=cited)


def _unstaged(tables: Iterable[GeneratedTable]) -> Iterator[StepFinding]:
    for table in tables:
        if table.unstaged is not None:
            text = f"No staging model and no entry of a catalog was written: {table.unstaged} Give one of them another target in the plan."
            yield StepFinding(code="unstaged_table", severity="MEDIUM", object=table.shown, text=text)


# text


@lru_cache(maxsize=1)
def _environment() -> Environment:
    # Marks other than those of dbt, whose own templates these files are.
    return Environment(
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # SQL and Python, quoted by the functions below
    )


def _template(name: str, **values: Any) -> str:
    # importlib.resources and not a path: on a cluster this package is read from inside a zip.
    text = resources.files("archetypes").joinpath("templates").joinpath(name).read_text(encoding="utf-8")
    return _environment().from_string(text).render(**values)


def _yaml(document: Mapping[str, Any]) -> str:
    head = "# Generated by Parity from the plan: change the plan, not this file.\n"
    return head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _quoted(name: str) -> str:
    """Quote a name as DuckDB does, which quotes as PostgreSQL does."""
    return quote_identifier("postgres", name)


def _literal_body(text: str) -> str:
    return text.replace("'", "''")


def _sql_text(text: str) -> str:
    return f"'{_literal_body(text)}'"


def _dbt_text(text: str) -> str:
    """Return text that dbt's templates leave as it is."""
    return text.replace("{", "{{ '{' }}") if re.search(r"\{[{%#]", text) else text


def _jinja_text(text: str) -> str:
    """Quote text inside an expression of dbt; it is a plain name."""
    return f"'{text}'"


def _plain_text(text: str) -> str:
    """Return text for a comment or a description: one line, without signs that dbt, SQL or YAML would act on."""
    return "".join(letter if letter.isprintable() and letter not in "{}" else "?" for letter in text)


def _docstring(text: str) -> str:
    return _plain_text(text).replace("\\", "?").replace('"', "'")


def _python_text(text: str) -> str:
    return repr(text)


def _python_texts(texts: Iterable[str]) -> str:
    return repr(tuple(texts))
