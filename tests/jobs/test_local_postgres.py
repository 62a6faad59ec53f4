"""A server of one's own: who may reach it, and that it ends with the process that started it, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from jobs.local_postgres import find_binaries, free_port, running_postgres
from schemas.errors import EngineError, MissingExtraError

_ROOT = Path(__file__).parent.parent.parent
_HOLDS = """
import time
from jobs.local_postgres import running_postgres
with running_postgres() as server:
    print(server.port, server.home, flush=True)
    time.sleep(600)
"""


def test_only_a_role_with_its_password_gets_in_and_nothing_is_left_in_the_end() -> None:
    with running_postgres() as server:
        server.run("CREATE ROLE reader LOGIN PASSWORD 'p'; CREATE DATABASE shop")
        server.run("CREATE TABLE t AS SELECT 1 AS a", database="shop")
        with psycopg.connect(f"host=127.0.0.1 port={server.port} user=reader password=p dbname=shop") as connection:
            assert connection.execute("SELECT current_setting('timezone')").fetchone() == ("UTC",)
        for user in ("reader", "postgres"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(f"host=127.0.0.1 port={server.port} user={user} dbname=shop")
        with pytest.raises(EngineError, match='relation "nowhere" does not exist'):
            server.run("SELECT * FROM nowhere")
    assert not server.home.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"host=127.0.0.1 port={server.port} user=reader password=p dbname=shop")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_server_ends_with_its_process(number: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    run = subprocess.Popen(
        [sys.executable, "-c", _HOLDS],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        start_new_session=True,
    )
    assert run.stdout is not None
    port, home = run.stdout.readline().split()
    psycopg_port = int(port)
    assert free_port(psycopg_port) != psycopg_port
    os.killpg(run.pid, number)  # as Ctrl-C does: everything in the foreground is told
    run.wait(60)
    for _ in range(300):
        if not Path(home).exists():
            break
        time.sleep(0.1)
    assert not Path(home).exists()
    assert free_port(psycopg_port) == psycopg_port


def test_where_there_is_no_postgresql_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.local_postgres._candidates", lambda: iter(()))
    with pytest.raises(MissingExtraError) as told:
        find_binaries()
    assert told.value.hint == "Install it with: pip install 'parity[demo]'."
