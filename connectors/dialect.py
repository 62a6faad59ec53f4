"""How delimited text is written: every setting that a reader would otherwise decide by itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from schemas.verdict import Finding

__all__ = ["ENCODINGS", "LINE_ENCODINGS", "NO_QUOTE", "Dialect"]

ENCODINGS = ("UTF-8", "ISO-8859-1", "US-ASCII", "UTF-16", "UTF-16BE", "UTF-16LE", "UTF-32")
"""What Spark decodes."""

LINE_ENCODINGS = ("UTF-8", "ISO-8859-1", "US-ASCII")
"""Those in which line ends and quotes are single bytes of their own."""

NO_QUOTE = "\uffff"
"""A code point that no text may hold: given as the quote, nothing is quoted."""


@dataclass(frozen=True)
class Dialect:
    """How the files are written; printed in the report."""

    header: bool
    separator: str
    quote: str | None
    escape: str
    encoding: str
    null_value: str | None
    multiline: bool
    columns: tuple[str, ...] | None
    comment: str | None
    keeps_unescaped_quotes: bool

    def finding(self) -> Finding:
        null = "an unquoted empty field" if self.null_value is None else f"the text {self.null_value!r}"
        settings = {
            "header": str(self.header).lower(),
            "separator": repr(self.separator),
            "quote": repr(self.quote),
            "escape": repr(self.escape),
            "encoding": self.encoding,
            "multiline": str(self.multiline).lower(),
            "comment": repr(self.comment),
            "unescaped_quotes": "keep" if self.keeps_unescaped_quotes else "refuse",
        }
        text = f"Read with {', '.join(f'{name}={value}' for name, value in settings.items())}; NULL is {null}."
        return Finding.model_validate({"class": "csv_settings", "severity": "INFO", "text": text})

    def reader_options(self) -> dict[str, str]:
        """Everything Spark would otherwise decide by itself."""
        options = {
            "header": str(self.header).lower(),
            "sep": self.separator,
            "quote": self.quote or NO_QUOTE,
            "escape": self.escape,
            "encoding": self.encoding,
            "multiLine": str(self.multiline).lower(),
            # Unquoted empty fields get the null mark, quoted ones the empty mark; a mark nobody can guess is never data.
            "nullValue": secrets.token_hex(16),
            "emptyValue": "",
            "mode": "FAILFAST",
            "enforceSchema": "false",
            "columnPruning": "false",  # else a row with too many fields passes when few columns are asked for
            "ignoreLeadingWhiteSpace": "false",
            "ignoreTrailingWhiteSpace": "false",
            "maxCharsPerColumn": "-1",
            "maxColumns": "100000",
            "unescapedQuoteHandling": "STOP_AT_DELIMITER" if self.keeps_unescaped_quotes else "RAISE_ERROR",
            "inferSchema": "false",
        }
        return options | ({"comment": self.comment} if self.comment else {})
