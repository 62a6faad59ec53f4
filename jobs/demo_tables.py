"""TPC-H in a database of PostgreSQL: generated once as CSV, loaded by COPY, readable for a role that can do nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from jobs.local_postgres import LocalPostgres
from schemas.errors import EngineError, MissingExtraError

__all__ = ["DATABASE", "ROLE", "SCHEMA", "load_tables", "make_tables"]

DATABASE, SCHEMA, ROLE = "shop", "tpch", "reader"
_MAKER = "tpchgen-cli"
_COLUMNS = {
    "nation": "n_nationkey integer NOT NULL, n_name char(25) NOT NULL, n_regionkey integer NOT NULL, n_comment varchar(152)",
    "customer": """c_custkey bigint NOT NULL, c_name varchar(25) NOT NULL, c_address varchar(40) NOT NULL,
        c_nationkey integer NOT NULL, c_phone char(15) NOT NULL, c_acctbal numeric(15,2) NOT NULL,
        c_mktsegment char(10) NOT NULL, c_comment varchar(117) NOT NULL""",
    "orders": """o_orderkey bigint NOT NULL, o_custkey bigint NOT NULL, o_orderstatus char(1) NOT NULL,
        o_totalprice numeric(15,2) NOT NULL, o_orderdate date NOT NULL, o_orderpriority char(15) NOT NULL, o_clerk char(15) NOT NULL,
        o_shippriority integer NOT NULL, o_comment varchar(79) NOT NULL""",
    "lineitem": """l_orderkey bigint NOT NULL, l_partkey bigint NOT NULL, l_suppkey bigint NOT NULL,
        l_linenumber integer NOT NULL, l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL,
        l_discount numeric(15,2) NOT NULL, l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL,
        l_shipdate date NOT NULL, l_commitdate date NOT NULL, l_receiptdate date NOT NULL, l_shipinstruct char(25) NOT NULL,
        l_shipmode char(10) NOT NULL, l_comment varchar(44) NOT NULL""",
}
# Added when the rows are there: checked one by one, references cost more than the rows.
_KEYS = {
    "nation": "ADD PRIMARY KEY (n_nationkey)",
    "customer": "ADD PRIMARY KEY (c_custkey), ADD FOREIGN KEY (c_nationkey) REFERENCES nation",
    "orders": "ADD PRIMARY KEY (o_orderkey), ADD FOREIGN KEY (o_custkey) REFERENCES customer",
    "lineitem": "ADD PRIMARY KEY (l_orderkey, l_linenumber), ADD FOREIGN KEY (l_orderkey) REFERENCES orders",
}
# TPC-H has dates only; when a line item left the house is made of its key, in UTC.
_SHIPPED = """l_shipped_at timestamptz GENERATED ALWAYS AS (
    (l_shipdate + (l_orderkey * 7919 + l_linenumber * 104729) % 86400 * interval '1 second') AT TIME ZONE 'UTC') STORED"""
_VIEW = """
CREATE VIEW daily_revenue AS
SELECT o_orderdate, count(*) AS orders, sum(o_totalprice) AS revenue FROM orders WHERE o_orderdate < date '1998-08-01' GROUP BY o_orderdate;
"""


def make_tables(folder: Path, scale: float, tables: Sequence[str] = tuple(_COLUMNS)) -> None:
    """Write one CSV file per table into a new folder.

    Args:
        scale: of TPC-H; 0.1 = 600,572 line items.

    Raises:
        MissingExtraError: the generator is not installed.
        EngineError: it failed.
    """
    beside = Path(sysconfig.get_path("scripts"), _MAKER)
    program = str(beside) if beside.is_file() else shutil.which(_MAKER)
    if program is None:
        raise MissingExtraError("demo", _MAKER, "The demonstration")
    folder.mkdir(parents=True)
    command = [program, "csv", "--scale-factor", str(scale), "--tables", ",".join(tables), "--output-dir", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise EngineError(
            f"{_MAKER} failed: {' '.join(run.stderr.split())[-300:]}", object=_MAKER, hint="Is there space in the work folder?"
        )


def load_tables(server: LocalPostgres, folder: Path, password: str) -> None:
    """Load the CSV files of a folder into a new database, and let the role ROLE read them.

    Raises:
        EngineError: the server refuses something.
    """
    server.run(f"CREATE DATABASE {DATABASE}")
    statements = [f"CREATE SCHEMA {SCHEMA}; SET search_path = {SCHEMA};"]
    for table, columns in _COLUMNS.items():
        file = folder / f"{table}.csv"
        if not file.exists():
            continue
        with file.open(encoding="utf-8") as lines:
            names = next(lines).strip()
        more = f", {_SHIPPED}" if table == "lineitem" else ""
        statements += [f"CREATE TABLE {table} ({columns}{more});", f"\\copy {table} ({names}) FROM '{file.name}' WITH (FORMAT csv, HEADER)"]
        statements.append(f"ALTER TABLE {table} {_KEYS[table]};")
    statements += [_VIEW, f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'; GRANT USAGE ON SCHEMA {SCHEMA} TO {ROLE};"]
    statements += [f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {ROLE};", "VACUUM ANALYZE;"]
    server.run("\n".join(statements), database=DATABASE, folder=folder)
