"""URIs: what they say, what they must not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors import Location, parse_location
from schemas.errors import ConfigError


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("parquet:/data/orders/", Location("parquet", "/data/orders")),
        ("parquet:///data/orders", Location("parquet", "/data/orders")),
        ("csv:s3a://bucket/a@b/c", Location("csv", "s3a://bucket/a@b/c")),
        ("delta:/data/t@v12", Location("delta", "/data/t", "12")),
        ("delta:cat.db.t", Location("delta", "cat.db.t")),
        ("iceberg:cat.db.t@123", Location("iceberg", "cat.db.t", "123")),
        ("iceberg:/home/me@work/t", Location("iceberg", "/home/me@work/t")),
        ("hive:db.t", Location("hive", "db.t")),
        ('postgres://r@h/db?table=public."a/"', Location("postgres", '//r@h/db?table=public."a/"')),
        ("postgres://r@h/db?table=public.a/", Location("postgres", "//r@h/db?table=public.a/")),
    ],
)
def test_parses(uri: str, location: Location) -> None:
    assert parse_location(uri) == location


@pytest.mark.parametrize(
    ("uri", "hint"),
    [
        ("parqet:/x", "parquet:"),
        ("snowflake://host/db", "Known"),
        ("/data/orders.csv.gz", "csv:/data/orders.csv.gz"),
        ("orders.jsonl", "json:orders.jsonl"),
        ("s3a://b/orders.parquet", "parquet:s3a://b/orders.parquet"),
        ("db.orders", "hive:db.orders"),
        ("delta:/x@12", "@v12"),
        ("iceberg:a.b@main", "snapshot id"),
        ("parquet:", "parquet:/path"),
        ("parquet: /x", "parquet:/path"),
        ("nothing", "parquet:"),
    ],
)
def test_refuses_with_what_to_write(uri: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_location(uri, "source")

    assert hint in str(caught.value.hint)
    assert caught.value.exit_code == 2
    assert caught.value.message.startswith("source: ")


def test_a_bare_folder_is_known_by_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "part-0.snappy.parquet").touch()

    with pytest.raises(ConfigError, match=f"parquet:{tmp_path}"):
        parse_location(str(tmp_path))
    (tmp_path / "_delta_log").mkdir()
    with pytest.raises(ConfigError, match=f"delta:{tmp_path}"):
        parse_location(str(tmp_path))


@pytest.mark.parametrize(
    "uri",
    [
        "postgres://me:hunter2@host/db",  # secret-scan: allow
        "postgres://me:hun%74er2hunter2@host/db",  # secret-scan: allow
        "parquet:s3a://AKIAIOSFODNN7EXAMPLE:hunter2@bucket/x",
        "postgres://host/db?user=me&password=hunter2",
        "snowflake:acc?TOKEN=hunter2",
        "csv:/x?fs.s3a.secret.key=hunter2",
        "parquet:wasbs://c@a.blob.core.windows.net/x?sig=hunter2",
        "hunter2:/AKIAIOSFODNN7EXAMPLE",
        "csv:/x%3Fpassword%3Dhunter2",
        "hunter2 secret:password=hunter2",
    ],
)
def test_secrets_are_refused_and_never_said(uri: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_location(uri, "target")

    said = f"{caught.value} {caught.value.message} {caught.value.object} {caught.value.hint} {caught.value!r}"
    assert "secrets in URIs are refused" in said
    assert ("env://" in said) != uri.startswith(("parquet:", "csv:"))  # no door to files knows an option for secrets
    assert "AKIA" not in said
    if not uri.startswith("hunter2:"):
        assert "hunter2" not in said


@pytest.mark.parametrize(
    "uri", ["parquet:/data/tokens/secret_santa", "csv:/data/passwords=none/x.csv", "hive:db.api_keys", "orc:hdfs://nn:8020/user/a@b/x"]
)
def test_names_that_only_sound_secret_pass(uri: str) -> None:
    if "=" in uri:
        with pytest.raises(ConfigError):
            parse_location(uri)
    else:
        parse_location(uri)
