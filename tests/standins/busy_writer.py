# ruff: noqa: S608 -- the SQL is made of constants
"""A process that changes tables as fast as it can, so that what they hold after each transaction can be computed afterwards.

Two lanes may write beside each other: each has rows of its own in every table, and counts its transactions in `counters`, within them.
Whoever reads all tables as of one moment finds `counters.n`, and `Lane.at(n)` says what else must be there; nothing else may be.
Some transactions take back what they did, some stay open for a while, and tables are vacuumed in between.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg

__all__ = ["SCHEMA", "Lane", "busy_writers"]

SCHEMA = """
CREATE TABLE counters (lane int PRIMARY KEY, n bigint);
CREATE TABLE accounts (id bigint PRIMARY KEY, lane int, cents bigint, note text);
CREATE TABLE entries (no bigint, lane int, cents bigint, pad text);
"""
_ACCOUNTS = 300
_BASE = 8_000
_LANE = 10_000_000
_ROOT = Path(__file__).parent.parent.parent

Statement = tuple[str, Sequence[Any]]


@dataclass
class Lane:
    """What one writer has done after `n` transactions: balances by account, amounts by entry."""

    seed: int
    lane: int
    n: int = 0
    accounts: dict[int, tuple[int, str]] = field(default_factory=dict)
    entries: dict[int, int] = field(default_factory=dict)

    @classmethod
    def at(cls, seed: int, lane: int, n: int) -> Lane:
        """Return the state after `n` transactions."""
        found = cls(seed, lane)
        for _ in found.begun():
            pass
        for _ in range(n):
            found.step()
        return found

    def begun(self) -> Iterator[Statement]:
        """Make the rows that are there before the first transaction."""
        first = self.lane * _LANE
        self.accounts = {first + i: (10_000, "new") for i in range(_ACCOUNTS)}
        self.entries = {first + i: 0 for i in range(_BASE)}
        yield "INSERT INTO counters VALUES (%s, 0)", (self.lane,)
        yield (
            f"INSERT INTO accounts SELECT %s::bigint + i, %s, 10000, 'new' FROM generate_series(0, {_ACCOUNTS - 1}) AS i",
            (
                first,
                self.lane,
            ),
        )
        yield (
            f"INSERT INTO entries SELECT %s::bigint + i, %s, 0, repeat('.', 250) FROM generate_series(0, {_BASE - 1}) AS i",
            (
                first,
                self.lane,
            ),
        )

    def step(self) -> list[Statement]:
        """Do one transaction in memory, and return its statements."""
        self.n += 1
        chance, lane, first = random.Random(f"{self.seed}/{self.lane}/{self.n}"), self.lane, self.lane * _LANE
        done: list[Statement] = [("UPDATE counters SET n = %s WHERE lane = %s", (self.n, lane))]
        giver, taker = chance.sample(sorted(self.accounts)[:_ACCOUNTS], 2)
        cents = chance.randint(1, 500)
        for account, change in ((giver, -cents), (taker, cents)):
            self.accounts[account] = (self.accounts[account][0] + change, f"n{self.n}")
            done.append(("UPDATE accounts SET cents = cents + %s, note = %s WHERE id = %s", (change, f"n{self.n}", account)))
        if self.n % 3 == 0:  # the same money under another account
            new = first + _ACCOUNTS + self.n
            self.accounts[new] = self.accounts.pop(giver)
            done.append(("DELETE FROM accounts WHERE id = %s", (giver,)))
            done.append(("INSERT INTO accounts VALUES (%s, %s, %s, %s)", (new, lane, *self.accounts[new])))
        pairs = 20 if self.n % 10 == 0 else 1
        for i in range(2 * pairs):
            no = first + _BASE + self.n * 100 + i
            self.entries[no] = cents if i % 2 else -cents
            done.append(("INSERT INTO entries VALUES (%s, %s, %s, repeat('.', 250))", (no, lane, self.entries[no])))
        for no in [*islice(self.entries, 2 * pairs)]:
            del self.entries[no]
            done.append(("DELETE FROM entries WHERE no = %s", (no,)))
        return done


@contextmanager
def busy_writers(dsn: str, schema: str, seed: int) -> Iterator[None]:
    """Fill the tables of SCHEMA, and let two processes change them until the end of the block.

    Raises:
        AssertionError: one of them ended by itself.
    """
    with psycopg.connect(dsn, autocommit=True, options=f"-c search_path={schema} -c log_statement=none") as connection:
        for lane in (1, 2):
            for statement, values in Lane(seed, lane).begun():
                connection.execute(statement.encode(), values)
        connection.execute("CREATE INDEX ON entries (no)")
    line = [sys.executable, "-m", "tests.standins.busy_writer", dsn, schema, str(seed)]
    writers = [subprocess.Popen([*line, str(lane)], cwd=_ROOT, stderr=subprocess.PIPE) for lane in (1, 2)]
    try:
        yield
        ended = [writer.poll() for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
        told = [writer.communicate()[1] for writer in writers]
    assert ended == [None, None], b"\n".join(told).decode(errors="replace")


def _write(dsn: str, schema: str, seed: int, lane: int) -> None:
    state = Lane(seed, lane)
    for _ in state.begun():
        pass
    with psycopg.connect(dsn, autocommit=True, options=f"-c search_path={schema} -c log_statement=none") as connection:
        while True:
            statements = state.step()
            if state.n % 7 == 3:  # what is taken back was never there
                connection.execute("BEGIN")
                connection.execute("UPDATE accounts SET cents = cents + 1 WHERE lane = %s AND id %% 5 = 0", (lane,))
                connection.execute("DELETE FROM entries WHERE lane = %s AND no %% 9 = 0", (lane,))
                connection.execute("ROLLBACK")
            connection.execute("BEGIN")
            for statement, values in statements:
                connection.execute(statement.encode(), values)
            if state.n % 11 == 5:
                time.sleep(0.02)
            connection.execute("COMMIT")
            if state.n % 60 == 0:
                connection.execute("VACUUM entries" if lane == 1 else "VACUUM (ANALYZE) accounts")


if __name__ == "__main__":
    _write(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
