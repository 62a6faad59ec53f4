"""Names of a source to names that every reader of the target takes unquoted."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

__all__ = ["alike", "plain_name", "plain_names", "trouble_with"]

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_LONGEST_BYTES = 255
_DIGITS = 8

# What Athena does not take as a name without quotes, in statements that define tables or in queries.
_RESERVED_WORDS = """
    all alter and array as authorization between bigint binary boolean both by case cashe cast char column commit conf constraint create
    cross cube current current_catalog current_date current_path current_schema current_time current_timestamp current_user cursor database
    date dayofweek deallocate decimal delete describe distinct div double drop else end escape except exchange execute exists extended
    external extract false fetch float floor following for foreign from full function grant group grouping having if import in inner insert
    int integer intersect interval into is join json_array json_exists json_object json_query json_table json_value last lateral left less
    like listagg local localtime localtimestamp macro map more natural none normalize not null numeric of on only or order out outer over
    partialscan partition percent preceding precision prepare preserve primary procedure range reads recursive reduce references regexp
    revoke right rlike rollback rollup row rows select set skip smallint start table tablesample then time timestamp to transform trigger
    trim true truncate uescape unbounded union uniquejoin unnest update user using utc_timestamp values varchar views when where window
    with
"""
_RESERVED = frozenset(_RESERVED_WORDS.split())


def trouble_with(name: str) -> str | None:
    """Return why a name needs care in Athena, Glue or Spark; None where every reader takes it as it is.

    >>> trouble_with("price"), trouble_with("Zip code"), trouble_with("order")
    (None, 'it has capitals, which Athena and Glue fold, and signs that need quotes', 'it is a reserved word')
    """
    found = []
    if name != name.lower():
        found.append("capitals, which Athena and Glue fold")
    if not _PLAIN.fullmatch(name.lower()):
        found.append("signs that need quotes")
    if len(name.encode()) > _LONGEST_BYTES:
        found.append(f"more than {_LONGEST_BYTES} bytes, the most that Glue takes")
    if found:
        return f"it has {', and '.join(found) if len(found) == 2 else ', '.join(found)}"
    return "it is a reserved word" if name in _RESERVED else None


def plain_name(name: str) -> str:
    """Return a name of a to z, 0 to 9 and `_` that reads like another one.

    >>> plain_name("Zip code"), plain_name("día.2020"), plain_name("2nd"), plain_name("order")
    ('zip_code', 'dia_2020', 'n_2nd', 'order_')
    """
    letters = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(letter for letter in letters if not unicodedata.combining(letter))
    plain = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")[: _LONGEST_BYTES - _DIGITS - 1]
    if not plain:
        return f"n_{_mark(name)[:_DIGITS]}"
    if plain[0].isdigit():
        return f"n_{plain}"
    return f"{plain}_" if plain in _RESERVED else plain


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """Return a plain name for each name, no two the same; one that is plain already keeps it.

    >>> plain_names(["a b", "a_b", "A b"])
    {'a b': 'a_b_c8687a08', 'a_b': 'a_b', 'A b': 'a_b_a760b0e1'}
    """
    given = list(names)
    found = {name: name for name in given if plain_name(name) == name}
    wanted = Counter(plain_name(name) for name in given)
    taken = {*found, *wanted}
    for name in given:
        if name in found:
            continue
        plain = plain_name(name)
        digits = _DIGITS
        while plain in found.values() or wanted[plain] > 1 or (digits > _DIGITS and plain in taken):
            plain = f"{plain_name(name).rstrip('_')}_{_mark(name)[:digits]}"
            digits += 1
        found[name] = plain
    return {name: found[name] for name in given}


def alike(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return the names that only differ in the case of letters, together.

    >>> alike(["id", "Price", "price", "n"])
    (('Price', 'price'),)
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.lower(), []).append(name)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _mark(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
