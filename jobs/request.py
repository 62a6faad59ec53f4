"""The arguments of `compare`, in all their forms, to one contract."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine.rules import parse_rules
from schemas.contract import Contract
from schemas.errors import ConfigError, MissingColumnError

__all__ = [
    "build_contract",
    "check_predicate",
    "load_contract",
    "names",
    "pairs",
    "reads_this_disk",
    "satisfying",
    "split_list",
    "unquoted",
]

_QUOTES = {'"', "`"}


def split_list(text: str, option: str) -> list[str]:
    """Return the parts of a text between commas; a part in double quotes or backticks may hold commas, blanks and `=`.

    >>> split_list('a, "b,c",`d=e`', "--key")
    ['a', 'b,c', 'd=e']
    """
    parts, current, quote, quoted = [], "", "", False
    for index, letter in enumerate(text):
        if quote:
            if letter == quote:
                quote = ""
            else:
                current += letter
        elif letter in _QUOTES and not current.strip() and not quoted:
            quote, quoted, current = letter, True, ""
        elif letter == ",":
            parts.append(current if quoted else current.strip())
            current, quoted = "", False
        elif quoted and not letter.isspace():
            raise ConfigError(f"{option} {text}: unexpected {letter!r} after a closing quote, at {index + 1}.", object=option)
        elif not quoted:
            current += letter
    if quote:
        raise ConfigError(f"{option} {text}: the quote {quote} is never closed.", object=option)
    parts.append(current if quoted else current.strip())
    if any(not part for part in parts):
        raise ConfigError(f"{option} {text!r}: an empty name.", object=option, hint="Separate names with single commas.")
    return parts


def names(values: str | Iterable[str] | None, option: str) -> tuple[str, ...] | None:
    """Return names given as one text or a list; None stays None. A list is taken literally, a text is split at commas."""
    if values is None:
        return None
    found = split_list(values, option) if isinstance(values, str) else list(values)
    wrong = [name for name in found if not isinstance(name, str) or not name]
    if wrong:
        raise ConfigError(f"{option}: {wrong[0]!r} is not a column name.", object=option)
    if twice := sorted({name for name in found if found.count(name) > 1}):
        raise ConfigError(f"{option}: {', '.join(twice)} is given twice.", object=option)
    return tuple(found)


def pairs(values: Sequence[str], option: str) -> dict[str, str]:
    """Return `name=value` options as a dictionary; the name may stand in double quotes or backticks.

    Raises:
        ConfigError: no `=`, or one name with two different values.

    >>> pairs(['a=1', '"b=c"=2'], "--map")
    {'a': '1', 'b=c': '2'}
    """
    found: dict[str, str] = {}
    for text in values:
        match = re.match(r'^\s*(?:"([^"]+)"|`([^`]+)`|([^="`]+?))\s*=\s*(.*)$', text, re.DOTALL)
        if not match or not match.group(4):
            raise ConfigError(f"{option} {text}: not of the form column=value.", object=option)
        name = next(group for group in match.groups()[:3] if group is not None)
        value = match.group(4)
        if found.get(name, value) != value:
            raise ConfigError(f"{option} {name} is given twice, as {found[name]!r} and {value!r}.", object=option, hint="Keep one of them.")
        found[name] = value
    return found


def unquoted(text: str, option: str) -> str:
    """Return a single name, its quotes removed."""
    parts = split_list(text, option)
    if len(parts) != 1:
        raise ConfigError(f"{option} {text}: one name is wanted.", object=option, hint="Put a name that holds a comma in double quotes.")
    return parts[0]


def load_contract(path: Path) -> Contract:
    """Return the contract in a YAML or JSON file.

    Raises:
        ConfigError: the file cannot be read, or is not a contract; the message names the field.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"--contract {path}: there is no such file.", object=str(path)) from None
    except OSError as error:
        raise ConfigError(f"--contract {path}: cannot be read: {error.strerror or error}.", object=str(path)) from None
    except UnicodeDecodeError:
        raise ConfigError(f"--contract {path}: is not UTF-8.", object=str(path), hint="Save it as UTF-8.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"--contract {path}: is no YAML: {_yaml_fault(error)}.", object=str(path)) from None
    if not isinstance(document, dict):
        raise ConfigError(f"--contract {path}: a mapping of fields is wanted.", object=str(path), hint=f"Fields: {_fields()}.")
    return _validated(_written_forms(document), f"--contract {path}")


def _fields() -> str:
    return ", ".join(Contract.model_fields)


def _yaml_fault(error: yaml.YAMLError) -> str:
    """Return what is wrong, and in which line and column."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    mark = error.problem_mark or error.context_mark
    said = " ".join(", ".join(part for part in (error.context, error.problem) if part).split())
    return said if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {said}"


def _told(value: Any) -> str:
    """Return a value of a contract as people write it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_told(part)}" for name, part in value.items()) or "nothing"
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value)) or "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _written_forms(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a contract document in which rules may be texts such as `rtrim,nfc`, and keys one name."""
    found = dict(document)
    if isinstance(rules := found.get("rules"), dict):
        found["rules"] = {name: _rule_texts(value) for name, value in rules.items()}
    for option in ("keys", "columns", "exclude", "accept_loss"):
        if isinstance(found.get(option), str):
            found[option] = names(found[option], option)
    for option in ("sample",):
        if isinstance(found.get(option), (int, float)):
            found[option] = repr(found[option])
    if isinstance(found.get("strength"), int):
        found["strength"] = str(found["strength"])
    for option in ("source_options", "target_options"):
        if isinstance(found.get(option), dict):
            found[option] = {name: _option_text(value, f"{option}.{name}") for name, value in found[option].items()}
    return found


def _option_text(value: Any, place: str) -> Any:
    """Return an option of a side as the text that its reader wants; YAML makes other things of `true`, `1` and `NULL`."""
    if value is None:
        hint = f'For the text NULL write {place.rpartition(".")[2]}: "NULL", for no text "".'
        raise ConfigError(f"{place}: YAML takes an unquoted NULL, ~ or blank for no value; put it in quotes.", object=place, hint=hint)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _rule_texts(value: Any) -> Any:
    return tuple(rule.text for rule in parse_rules(value)) if isinstance(value, (str, list, tuple)) else value


def _validated(document: Mapping[str, Any], where: str) -> Contract:
    try:
        return Contract.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        unknown = first["type"] == "extra_forbidden"
        message = f"{where}: {place}: {'there is no such field' if unknown else first['msg']}."
        raise ConfigError(message, object=place, hint=f"Fields: {_fields()}." if unknown else None) from None


def build_contract(contract: Contract | str | Path | None, **arguments: Any) -> Contract:
    """Return the contract that a call describes.

    Args:
        contract: a contract, or the path of one; None = only the arguments.
        arguments: fields of the contract as `compare` takes them; None, or an empty value, means not given.

    Raises:
        ConfigError: an argument is not of its form, or contradicts the contract.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    document = _written_forms({name: value for name, value in given.items() if name not in ("keys", "columns", "exclude")})
    for option in ("keys", "columns", "exclude"):
        if option in given:
            document[option] = names(given[option], option)
    for option in ("mapping", "rules", "tolerance", "source_options", "target_options"):
        if option in document and not isinstance(document[option], Mapping):
            raise ConfigError(f"{option}: a dictionary is wanted, not {type(document[option]).__name__}.", object=option)
    called = _validated(document, "compare")
    if contract is None:
        return called
    written = contract if isinstance(contract, Contract) else load_contract(Path(contract))
    merged = written.model_dump()
    for name in called.model_fields_set:
        value = getattr(called, name)
        if name in written.model_fields_set and getattr(written, name) != value:
            raise ConfigError(
                f"{name} is {_told(value)} in the call and {_told(getattr(written, name))} in the contract.",
                object=name,
                hint="Say it in one place.",
            )
        merged[name] = value
    return Contract.model_validate(merged)


def reads_this_disk(master: str | None, remote: str | None, conf: Mapping[str, str]) -> bool:
    """Return whether the Spark that will be started takes a path without a scheme for one of this machine; False where that is not sure."""
    elsewhere = ("HADOOP_CONF_DIR", "SPARK_CONF_DIR", "PYSPARK_GATEWAY_PORT")
    if remote or any(os.environ.get(name) for name in elsewhere) or not (master or "local").startswith("local"):
        return False
    return SparkSession.getActiveSession() is None and not any("fs.default" in name for name in conf)


_FORBIDDEN = re.compile(
    r"\b(select\b|current_date\b|current_timestamp\b|current_time\b|localtimestamp\b|"
    r"(rand|randn|random|randstr|uniform|uuid|shuffle|now|curdate|current_user|user|session_user|monotonically_increasing_id|"
    r"spark_partition_id|input_file_name|input_file_block_start|input_file_block_length|java_method|reflect|try_reflect)\s*\(|"
    r"unix_timestamp\s*\(\s*\))",
    re.IGNORECASE,
)
_LITERALS = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`]|``)*`")


def check_predicate(text: str) -> None:
    """Refuse a predicate whose answer depends on more than the row.

    Raises:
        ConfigError: it is empty, holds a subquery, or calls the clock, chance, or the layout of the files.
    """
    if not text.strip():
        raise ConfigError("--where: the predicate is empty.", object="--where")
    bare = _LITERALS.sub(" ", text)
    if found := _FORBIDDEN.search(bare):
        raise ConfigError(
            f"--where {text!r}: {found.group(0).rstrip('( ')} does not depend on the row alone.",
            object="--where",
            hint="Use columns and constants only, such as dt >= '2026-01-01'.",
        )
    if ";" in bare or "--" in bare or "/*" in bare:
        raise ConfigError(f"--where {text!r}: one expression is wanted, without comments.", object="--where")


def satisfying(rows: DataFrame, predicate: str, where: str) -> DataFrame:
    """Return the rows that satisfy a predicate; lazy.

    Args:
        predicate: checked by `check_predicate`.
        where: the side, for errors.

    Raises:
        MissingColumnError: it names a column that the side does not have.
        ConfigError: it is no SQL, no condition, or not one on single rows.
    """
    try:
        found = rows.where(F.expr(predicate))
        _ = found.schema
    except AnalysisException as error:  # a ParseException is one too
        condition = error.getCondition() or ""
        named = str((error.getMessageParameters() or {}).get("objectName", "")).strip("`")
        if condition.startswith("UNRESOLVED_COLUMN") and named:
            raise MissingColumnError(where, "--where", [named], rows.columns) from None
        told = re.sub(r"^\[[A-Z0-9_.]+\]\s*", "", str(error).strip().splitlines()[0]).split(" SQLSTATE:")[0].rstrip(".")
        hint = "Write one condition on the columns of a row, such as dt >= '2026-01-01'."
        raise ConfigError(f"--where {predicate!r}: {told}.", object="--where", hint=hint) from None
    return found
