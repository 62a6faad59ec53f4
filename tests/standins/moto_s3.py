"""An S3 emulator for tests: moto's server in a process of its own, one request at a time.

Label for reports: "S3: emulator (moto), integrity and authorisation not enforced". Start: about 3 s. Memory: about 80 MB plus everything
stored. Not proven by it: checksums, signatures, permissions, throttling, real latency. moto looks at a condition (If-Match,
If-None-Match) and stores in two steps, where S3 does it in one; hence one request at a time.

By hand: python -m tests.standins.moto_s3 --bucket lake
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.standins.process import ServerError, free_port, wait_for_interrupt

__all__ = ["S3Server", "running_s3"]

_ACCESS_KEY = "emulator"
_SECRET = "emulator-only"
_REGION = "us-east-1"
_START_S = 60
_CHECKOUT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class S3Server:
    """A running emulator and the settings that reach it."""

    endpoint: str

    def environment(self) -> dict[str, str]:
        """Return the variables by which boto3 and Spark find the server and its credentials."""
        return {
            "AWS_ACCESS_KEY_ID": _ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_REGION": _REGION,
            "AWS_DEFAULT_REGION": _REGION,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """Return a plain client, to look or to do damage behind the back of what is tested."""
        import boto3

        return boto3.session.Session().client(
            "s3", endpoint_url=self.endpoint, region_name=_REGION, aws_access_key_id=_ACCESS_KEY, aws_secret_access_key=_SECRET
        )

    def create_bucket(self, name: str) -> None:
        """Create one bucket; names have three letters or more."""
        self.client().create_bucket(Bucket=name)


@contextmanager
def running_s3(buckets: Sequence[str] = (), port: int | None = None, outage: Path | None = None) -> Iterator[S3Server]:
    """Start the emulator on loopback, create the buckets, and stop it at the end.

    Args:
        outage: while there is such a file, every request is answered by the status that stands in it, such as 503.

    Raises:
        ServerError: it did not start.
    """
    chosen = port or free_port()
    server = S3Server(f"http://127.0.0.1:{chosen}")
    with TemporaryDirectory(prefix="s3-") as scratch:
        log = Path(scratch, "moto.log")
        with log.open("wb") as output:
            command = [sys.executable, "-m", "tests.standins.moto_s3", "--port", str(chosen), "--serve"]
            command += ["--outage", str(outage)] if outage else []
            process = subprocess.Popen(command, cwd=_CHECKOUT, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait(server, process, log)
            for bucket in buckets:
                server.create_bucket(bucket)
            yield server
        finally:
            process.kill()  # it keeps nothing
            process.wait()


def _wait(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_S
    while not _answers(server.endpoint):
        if process.poll() is not None or time.monotonic() > end:
            raise ServerError(f"moto did not start\n{log.read_text(errors='replace')[-1500:]}")
        time.sleep(0.1)


def _answers(endpoint: str) -> bool:
    try:
        urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _serve(port: int, outage: Path | None) -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import run_simple

    moto: Callable[..., Any] = DomainDispatcherApplication(create_backend_app)
    alone = threading.Lock()

    def one_at_a_time(environment: Any, start: Any) -> Any:
        if outage is not None and outage.exists():
            start(f"{outage.read_text()} Outage", [("Content-Type", "application/xml"), ("Connection", "close")])
            return [b"<Error><Code>SlowDown</Code><Message>Outage</Message></Error>"]
        with alone:
            return list(moto(environment, start))

    run_simple("127.0.0.1", port, one_at_a_time, threaded=True, request_handler=MotoRequestHandler)


def main() -> None:
    """Run the emulator until Ctrl-C and print how to reach it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int)
    parser.add_argument("--bucket", action="append", default=[])
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--outage", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        _serve(arguments.port, arguments.outage)
        return
    with running_s3(arguments.bucket, arguments.port) as server:
        print("\n".join(f"export {name}={value}" for name, value in server.environment().items()), flush=True)
        wait_for_interrupt()


if __name__ == "__main__":
    main()
