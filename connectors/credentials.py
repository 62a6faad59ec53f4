"""URIs that carry a secret, refused before anything else looks at them."""

from __future__ import annotations

import re
from urllib.parse import unquote

from schemas.errors import ConfigError

__all__ = ["refuse_secrets"]

_USER_AND_PASSWORD = re.compile(r"//[^/?#\s]*:[^/?#\s]*@")
_NAMED_SECRET = re.compile(
    r"(?:^|[?&;,\s.:/@])[\w.-]*?"
    r"(password|passwd|passphrase|pwd|token|secret|secret[_.-]?key|access[_.-]?key|api[_.-]?key|account[_.-]?key|credential|signature|sig|sas)"
    r"[\w.-]*=[^&;,\s]+",
    re.IGNORECASE,
)
_AWS_KEY_ID = re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}(?![A-Z0-9])")
_SECRET_URI = re.compile(r"=(?:env|vault|awssm)://", re.IGNORECASE)
_FORMS = (
    "Take it out of the URI and give the name of the place that holds it, as the option password_secret=env://NAME "
    "(or vault://path#field, awssm://name#field); for object stores use the cluster's own credentials. "
    "If this command line was stored or logged, change that secret."
)
_CLUSTERS = (
    "Take it out of the URI; for object stores use the cluster's own credentials. "
    "If this command line was stored or logged, change that secret."
)
_WITHOUT_SECRETS = ("parquet", "orc", "avro", "csv", "json", "delta", "iceberg", "hive")  # their doors know no password_secret


def refuse_secrets(uri: str, side: str) -> None:
    """Check that a URI holds no secret; the error never repeats any part of it but its scheme.

    Args:
        uri: as the user wrote it, percent-encoding allowed.
        side: `source` or `target`, for the error.

    Raises:
        ConfigError: `user:password@`, a parameter named like a secret, or an AWS key.

    >>> refuse_secrets("postgres://reader@host/db?table=public.orders", "source")
    """
    scheme = uri.split(":", 1)[0] if ":" in uri else "URI"
    scheme = scheme if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,20}", scheme) else "URI"
    for text in (uri, unquote(uri)):
        if _USER_AND_PASSWORD.search(text):
            what = "a user name with a password (…:…@)"
        elif (named := _NAMED_SECRET.search(text)) and not _SECRET_URI.search(named.group(0)):
            what = f"a parameter named like a secret ({named.group(1).lower()}=…)"
        elif _AWS_KEY_ID.search(text):
            what = "an AWS access key"
        else:
            continue
        forms = _CLUSTERS if scheme in _WITHOUT_SECRETS else _FORMS
        raise ConfigError(f"{side}: the {scheme}: URI holds {what}; secrets in URIs are refused.", object=scheme, hint=forms)
