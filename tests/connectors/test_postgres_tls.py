"""Connections that must be encrypted, to a server that proves who it is: psycopg and Spark's driver alike. A real server with TLS."""

from __future__ import annotations

import datetime
import ipaddress
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyspark.sql import SparkSession

from connectors.postgres import PostgresDoor
from connectors.postgres_address import TableName, parse_address
from connectors.postgres_connection import PostgresLogin, connect, connection_settings, log_in
from connectors.postgres_snapshot import pinned_source
from policy.coercion import load_rules, rule_for
from schemas.errors import ParityError
from tests.standins.postgres_server import Postgres, running_postgres

_ORDERS = TableName("public", "orders")


@dataclass(frozen=True)
class _Secured:
    """A server that takes connections with TLS only, the certificate that vouches for it, and another one that does not."""

    server: Postgres
    trusted: Path
    foreign: Path

    def login(self, host: str = "127.0.0.1", **options: str) -> PostgresLogin:
        return log_in(parse_address(f"postgres://postgres@{host}:{self.server.port}/postgres"), connection_settings(options, "test"))


def _server_with_tls() -> Path | None:
    """Return the folder of a PostgreSQL that was built with TLS; the wheel of the other tests was not."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        config = folder / "pg_config"
        if config.exists() and b"openssl" in subprocess.run([config, "--configure"], capture_output=True, check=True).stdout:
            return folder
    return None


def _certificate(place: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate that signs itself, for 127.0.0.1 and no other name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = place / f"{name}.crt", place / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    paths[1].write_bytes(key.private_bytes(*form))
    return paths


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Secured]:
    binaries = _server_with_tls()
    if binaries is None:
        pytest.skip("no PostgreSQL with TLS is installed (apt install postgresql)")
    place = tmp_path_factory.mktemp("tls")
    certificate, key = _certificate(place, "server")
    foreign, _ = _certificate(place, "foreign")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PARITY_POSTGRES_BIN", str(binaries))
        with running_postgres() as server:
            with psycopg.connect(server.dsn, autocommit=True) as owner:
                owner.execute("CREATE TABLE orders AS SELECT i AS id, 'note ' || i AS note FROM generate_series(1, 100) AS i")
                data = Path(owner.execute("SHOW data_directory").fetchone()[0])  # type: ignore[index]
                for path in (certificate, key):
                    copy = data / path.name
                    copy.write_bytes(path.read_bytes())
                    copy.chmod(0o600)
                    shutil.chown(copy, data.stat().st_uid, data.stat().st_gid)
                (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 trust\n", encoding="utf-8")
                owner.execute("ALTER SYSTEM SET ssl = on")
                owner.execute("SELECT pg_reload_conf()")
            yield _Secured(server, certificate, foreign)


def test_rows_are_read_from_a_server_that_proved_who_it_is(spark: SparkSession, secured: _Secured) -> None:
    login = secured.login(sslmode="verify-full", sslrootcert=str(secured.trusted))
    door = PostgresDoor(lambda native, column: rule_for(native, None, load_rules(), column=column))
    with pinned_source(login, [_ORDERS]) as snapshot:
        assert (snapshot.server.tls or "").startswith("TLS")
        opened = door.open_on(spark, login, snapshot, _ORDERS)

        assert opened.rows.count() == 100


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_server_that_another_one_vouches_for_is_not_spoken_to(secured: _Secured, mode: str) -> None:
    with pytest.raises(ParityError, match="certificate"), connect(secured.login(sslmode=mode, sslrootcert=str(secured.foreign))):
        pass


def test_a_name_that_is_not_in_the_certificate_is_refused_where_names_count(secured: _Secured) -> None:
    by_name = secured.login("localhost", sslmode="verify-full", sslrootcert=str(secured.trusted))
    with pytest.raises(ParityError, match="localhost"), connect(by_name):
        pass
    with connect(secured.login(sslmode="verify-ca", sslrootcert=str(secured.trusted))) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_connection_in_the_clear_is_refused_by_such_a_server_in_one_sentence(secured: _Secured) -> None:
    with pytest.raises(ParityError) as caught, connect(secured.login(sslmode="disable")):
        pass

    assert "sslmode" in str(caught.value)
    assert "\n" not in str(caught.value)
