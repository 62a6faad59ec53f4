"""The plan of a migration, as `parity plan` writes it and a person changes it, and the envelope in which it is signed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

import yaml
from pydantic import ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from schemas.agent_output import Archetype
from schemas.canonical_json import sha256_of
from schemas.coercion import RuleId
from schemas.contract import Contract
from schemas.errors import ConfigError, nearest
from schemas.model import Model

__all__ = ["PLAN_PAYLOAD_TYPE", "MigrationPlan", "PlanColumn", "PlanSignature", "PlanTable", "SignedPlan", "read_plan"]

PLAN_PAYLOAD_TYPE = "application/vnd.parity.plan.v1+json"

Name = Annotated[str, StringConstraints(min_length=1)]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Base64 = Annotated[str, StringConstraints(pattern=r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$", min_length=4)]

_SECRET_PARAMETER = re.compile(r"pass|pwd|secret|token|credential|signature|access.?key|api.?key", re.IGNORECASE)
_SIDE_OPTIONS = ("source_options", "target_options")


class PlanColumn(Model):
    """One column of the source.

    Attributes:
        name: in the source.
        target: in the target; None = the same.
        rule_id: that says how it is read; another one may be written, if it is for the type. None: no rule is for the type.
        target_type: Spark type in the target; None: refused, so the column has to stand in the contract's `exclude`.
        note: for people: the declared type, what is lost, why it is refused.
    """

    name: Name
    target: Name | None = None
    rule_id: RuleId | None
    target_type: Name | None
    note: str | None = None

    @property
    def target_name(self) -> str:
        """Its name in the target."""
        return self.target if self.target is not None else self.name


class PlanTable(Model):
    """One table of the source and what becomes of it.

    Attributes:
        name: exactly as the source has it, without its schema.
        path: folder below the target.
        columns: all columns of the source, in its order; those in the contract's `exclude` are not written.
        contract: how both sides are compared afterwards; `mapping` is said by the columns' `target`.
        partition_by: source columns that become folders.
        sort_by: source columns by which files are sorted.
        file_mib: size of files to aim at, in MiB.
        ranges: how many ranges are read beside each other; None = by size.
        questions: open ones. `parity run` goes on with them: they are for a person to answer by changing the plan.
    """

    name: Name
    path: Name
    columns: tuple[PlanColumn, ...]
    contract: Contract = Contract()
    partition_by: tuple[Name, ...] = ()
    sort_by: tuple[Name, ...] = ()
    file_mib: Annotated[int, Field(ge=1, le=4096)] = 256
    ranges: Annotated[int, Field(ge=1, le=10_000)] | None = None
    questions: tuple[Name, ...] = ()

    @field_validator("path")
    @classmethod
    def _stays_below_the_target(cls, path: str) -> str:
        parts = path.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise ValueError("a path below the target is wanted, such as sales/orders")
        if any(part.startswith(("_", ".")) for part in parts):
            raise ValueError("a folder that begins with _ or . is hidden from readers of Parquet")
        if re.search(r"[\\\x00-\x1f:*?\"<>|=%]", path):
            raise ValueError('no control character and none of \\ : * ? " < > | = % may stand in a path')
        return path

    @model_validator(mode="after")
    def _names_each_column_once(self) -> PlanTable:
        _once("columns", (column.name for column in self.columns))
        _once("columns", (column.target_name for column in self.written()), "target name ")
        _once("partition_by", self.partition_by)
        _once("sort_by", self.sort_by)
        return self

    @model_validator(mode="after")
    def _speaks_of_its_own_columns(self) -> PlanTable:
        known = [column.name for column in self.columns]
        for field, names in _named_columns(self.contract):
            _known(f"contract.{field}", names, known)
        written = [column.name for column in self.written()]
        for field, names in (("partition_by", self.partition_by), ("sort_by", self.sort_by), ("contract.keys", self.contract.keys or ())):
            _known(field, names, known)
            if left_out := [name for name in names if name not in written]:
                raise ValueError(f"{field}: {', '.join(left_out)} is excluded")
        return self

    @model_validator(mode="after")
    def _maps_in_one_place(self) -> PlanTable:
        renamed = {column.name: column.target_name for column in self.columns}
        for source, target in self.contract.mapping.items():
            if renamed[source] != target:
                raise ValueError(f"contract.mapping: {source} is {target}, but the column's target is {renamed[source]}")
        if self.columns and self.partition_by and set(self.partition_by) >= {column.name for column in self.written()}:
            raise ValueError("partition_by: a column that is no folder has to remain")
        return self

    def written(self) -> tuple[PlanColumn, ...]:
        """Return the columns that are migrated."""
        return tuple(column for column in self.columns if column.name not in self.contract.exclude)

    def refused(self) -> tuple[PlanColumn, ...]:
        """Return the columns that can be neither read nor left out yet: a person has to decide before the plan can run."""
        return tuple(column for column in self.written() if column.target_type is None)

    def comparison(self) -> Contract:
        """Return the contract of the comparison, with the names that columns have in the target."""
        renamed = {column.name: column.target_name for column in self.written() if column.target_name != column.name}
        return self.contract.model_copy(update={"mapping": renamed})


class MigrationPlan(Model):
    """What is to be migrated, whence, whither and how.

    Attributes:
        source: URI without a secret: `postgres://reader@host:5432/db`.
        source_secret: where the password is: `env://NAME`, `file:///path`; None: the environment of the client decides.
        schema_name: of the source; written `schema`.
        target: `s3://bucket/prefix` or `file:/folder`.
        discovery_sha256: digest of the discovery that the plan was made from: a source that no longer fits is refused.
        rulebook_sha256: digest of the rulebook whose ids stand in the columns; None: whichever is installed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    type_: Literal["parity.plan.v1"] = Field(default="parity.plan.v1", alias="_type")
    archetype: Archetype
    source: Name
    source_secret: Annotated[str, StringConstraints(pattern=r"^(env://[A-Za-z_][A-Za-z0-9_]*|file:///[^\s]+)$")] | None = None
    schema_name: Name = Field(alias="schema")
    target: Name
    discovery_sha256: Sha256
    rulebook_sha256: Sha256 | None = None
    tables: Annotated[tuple[PlanTable, ...], Field(min_length=1)]

    @field_validator("source", "target")
    @classmethod
    def _holds_no_secret(cls, uri: str) -> str:
        try:
            parts = urlsplit(uri)
            password = parts.password
        except ValueError:
            raise ValueError("this is no URI") from None
        if password is not None or re.search(r"//[^/]*:[^/]*@", unquote(uri)):
            raise ValueError("a password in a URI is refused; write source_secret: env://NAME or file:///path")
        named = [part.partition("=")[0] for part in re.split("[?&;]", uri)[1:]]
        if any(_SECRET_PARAMETER.search(unquote(name)) for name in named):
            raise ValueError("a parameter named like a secret is refused; write source_secret: env://NAME or file:///path")
        return uri

    @field_validator("source")
    @classmethod
    def _names_a_database(cls, source: str) -> str:
        parts = urlsplit(source)
        if parts.scheme in ("postgres", "postgresql") and not (parts.hostname and parts.path.strip("/")):
            raise ValueError("write postgres://user@host:port/database")
        if not parts.scheme:
            raise ValueError("a scheme is wanted, such as postgres://user@host:port/database")
        return source

    @field_validator("target")
    @classmethod
    def _names_a_folder(cls, target: str) -> str:
        parts = urlsplit(target)
        if (parts.scheme in ("s3", "s3a") and parts.netloc) or (parts.scheme == "file" and parts.path.strip("/")):
            return target
        raise ValueError("write s3://bucket/prefix or file:/folder")

    @model_validator(mode="after")
    def _tables_keep_apart(self) -> MigrationPlan:
        _once("tables", (table.name for table in self.tables))
        paths: dict[str, str] = {}
        for table in sorted(self.tables, key=lambda table: table.path.split("/")):
            parts = table.path.casefold().split("/")
            above = next((paths[folder] for folder in map("/".join, _prefixes(parts)) if folder in paths), None)
            if above is not None:
                raise ValueError(f"table {table.name}: path: {table.path} is, or lies in, the folder of table {above}")
            paths["/".join(parts)] = table.name
        return self

    def digest(self) -> str:
        """Return the SHA-256 hex digest that names this plan in evidence."""
        return sha256_of(self.document())

    def table(self, name: str) -> PlanTable:
        """Return a table by its name in the source.

        Raises:
            KeyError: the plan has none of this name.
        """
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)

    def refused(self) -> tuple[tuple[str, str], ...]:
        """Return table and column of everything that a person has to decide before the plan can run."""
        return tuple((table.name, column.name) for table in self.tables for column in table.refused())


class PlanSignature(Model):
    """One signature of DSSE; `keyid` is a hint."""

    keyid: Name
    sig: Base64


class SignedPlan(Model):
    """A DSSE envelope: Ed25519 over the pre-authentication encoding of the payload type and the plan's own bytes."""

    payload: Base64
    payload_type: Literal["application/vnd.parity.plan.v1+json"] = Field(default="application/vnd.parity.plan.v1+json", alias="payloadType")
    signatures: Annotated[tuple[PlanSignature, ...], Field(min_length=1)]


def _prefixes(parts: list[str]) -> Iterable[list[str]]:
    return (parts[:length] for length in range(1, len(parts) + 1))


def _once(field: str, names: Iterable[str], what: str = "") -> None:
    given = list(names)
    if twice := sorted({name for name in given if given.count(name) > 1}):
        raise ValueError(f"{field}: {what}{', '.join(twice)} stands there twice")


def _known(field: str, names: Iterable[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            close = nearest(name, known)
            raise ValueError(f"{field}: there is no column {name}" + (f"; did you mean {', '.join(close)}?" if close else ""))


def _named_columns(contract: Contract) -> Iterable[tuple[str, Iterable[str]]]:
    """Yield every field of a contract that names columns, and the source names in it."""
    for field in ("keys", "mapping", "columns", "exclude", "types", "tolerance", "criticality", "accept_loss"):
        yield field, getattr(contract, field) or ()
    yield "rules", (re.sub(r"^(source|target)\.", "", name) for name in contract.rules)


class _OnceLoader(yaml.SafeLoader):
    """YAML in which a name that stands twice is an error: the last one would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands there twice", key.start_mark)
            if isinstance(key.value, str):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_plan(text: str, where: str = "plan") -> MigrationPlan:
    """Return the plan that a YAML or JSON text holds.

    Args:
        text: as a person left it.
        where: its file, for errors.

    Raises:
        ConfigError: it is no YAML, or no plan; the message names the table, the column and the field, and shows no value.
    """
    try:
        document = yaml.load(text, Loader=_OnceLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: is no YAML: {_yaml_fault(error)}.", object=where) from None
    if not isinstance(document, dict):
        raise ConfigError(f"{where}: a mapping of fields is wanted.", object=where, hint=f"Fields: {', '.join(_fields(MigrationPlan))}.")
    try:
        return MigrationPlan.model_validate(_written_forms(document))
    except ValidationError as error:
        raise _named(error, document, where) from None


def _yaml_fault(error: yaml.YAMLError) -> str:
    said = " ".join(str(getattr(error, "problem", None) or error).split())
    mark = getattr(error, "problem_mark", None)
    return said if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {said}"


def _written_forms(document: dict[Any, Any]) -> dict[Any, Any]:
    """Return the document with the forms that contracts allow: one name, or one text of rules, instead of a list."""
    tables = document.get("tables")
    return {**document, "tables": [_table_form(table) for table in tables]} if isinstance(tables, list) else document


def _table_form(table: Any) -> Any:
    if not isinstance(table, dict):
        return table
    found = _as_lists(table, ("partition_by", "sort_by", "questions"))
    if isinstance(contract := table.get("contract"), dict):
        found["contract"] = _as_lists(contract, ("keys", "columns", "exclude", "accept_loss"))
        if isinstance(rules := contract.get("rules"), dict):
            found["contract"]["rules"] = _as_lists(rules, rules)
    return found


def _as_lists(fields: Mapping[Any, Any], names: Iterable[Any]) -> dict[Any, Any]:
    """Return the fields, those of these names as lists where they are one text."""
    return {**fields, **{name: [fields[name]] for name in names if isinstance(fields.get(name), str)}}


def _named(error: ValidationError, document: Mapping[str, Any], where: str) -> ConfigError:
    """Return the first fault in words of the plan: table and column by name, not by number; a misspelt field before the one it hides."""
    faults = error.errors(include_url=False)
    first = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
    place, owner = _place(first["loc"], document)
    said = str(first["msg"]).removeprefix("Value error, ")
    hint = None
    if first["type"] == "extra_forbidden":
        field = str(first["loc"][-1])
        close = nearest(field, _fields(owner))
        said = "there is no such field"
        hint = f"Did you mean {', '.join(close)}?" if close else f"Fields: {', '.join(_fields(owner))}."
    elif first["type"] == "string_type":
        said, hint = "a text is wanted", _quotes(first["input"])
    elif first["type"] == "missing":
        said = "it is missing"
    return ConfigError(f"{where}: {place}{': ' if place else ''}{said}.", object=place or where, hint=hint)


def _place(location: tuple[int | str, ...], document: Any) -> tuple[str, type[Model]]:
    """Return where a fault is, and the model that the innermost field belongs to."""
    words: list[str] = []
    fields: list[str] = []
    owner: type[Model] = MigrationPlan
    node = document
    for step in location:
        node = _child(node, step)
        if isinstance(step, int) and fields and fields[-1] in ("tables", "columns") and isinstance(node, Mapping):
            kind = "table" if fields.pop() == "tables" else "column"
            owner = PlanTable if kind == "table" else PlanColumn
            words.append(f"{kind} {node['name']}" if isinstance(node.get("name"), str) else f"{kind} number {step + 1}")
        elif isinstance(step, int):
            fields.append(f"number {step + 1}")
        else:
            fields.append(step)
            owner = Contract if step == "contract" and owner is PlanTable else owner
    return ": ".join([*words, *([".".join(fields)] if fields else [])]), owner


def _child(node: Any, step: int | str) -> Any:
    try:
        return node[step]
    except (KeyError, IndexError, TypeError):
        return None


def _fields(model: type[Model]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _quotes(value: Any) -> str | None:
    """Return what to do about a value that YAML takes for something else than text."""
    if value is None:
        return "YAML takes NULL, ~ or nothing for no value; put a text in quotes."
    if isinstance(value, bool):
        return "YAML takes an unquoted yes, no, on, off, true or false for a truth value; put it in quotes."
    if isinstance(value, (dict, list)):
        return "YAML takes this for a list or a mapping; put a text in quotes."
    return "YAML takes this for a number or a date; put it in quotes."
