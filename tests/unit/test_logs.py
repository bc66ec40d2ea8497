"""Log lines hold no secret, whoever writes them and however they are formatted."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from uvicorn.logging import AccessFormatter

from ops_core.domain import known_secrets
from ops_core.logs import CleanRecord, redact_logs
from tests.support.planted import OURS, marks

KEY = OURS["imagekit_private_key"]
#: As each kind of process begins.
WAYS = {
    "a command": "from ops_core.cli import _settings; _settings()",
    "a worker": "import ops_core.tasks.app",
    "the console": "from ops_core.ui.server import make_app; make_app()",
}


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a plain handler writes, once logs are redacted and the key is known."""
    known_secrets.remember([KEY])
    factory = logging.getLogRecordFactory()
    redact_logs()
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)
    logging.setLogRecordFactory(factory)


def test_message_and_arguments_are_clean(lines: io.StringIO) -> None:
    log = logging.getLogger("ops_core.work")
    log.info("asked https://x.example/?key=%s and %s", "abc123", {"api_key": "abc123"})
    log.info("%(what)s=%(value)s", {"what": "token", "value": KEY})
    log.info(f"the key {KEY} was refused")
    log.warning("no arguments: access_token=abc123")
    said = lines.getvalue()
    assert marks(said) == set()
    assert "abc123" not in said
    assert said.count("REDACTED") == 5


def test_tracebacks_and_stacks_are_clean(lines: io.StringIO) -> None:
    log = logging.getLogger("ops_core.work")
    try:
        try:
            raise ValueError(f"key {KEY}")
        except ValueError as error:
            raise RuntimeError("https://u:abc123@x.example/") from error
    except RuntimeError:
        log.exception("it broke", stack_info=True)
    said = lines.getvalue()
    assert "Traceback" in said
    assert "ValueError: key REDACTED" in said
    assert "https://REDACTED@x.example/" in said
    assert "Stack (most recent call last)" in said


def test_lines_of_libraries_lose_every_word_that_could_be_a_key(lines: io.StringIO) -> None:
    headers = [(b"Retry-After", b"kQ7xZ9vT2mR4wL8pN5bD"), (b"Server", b"nginx/1.25.3")]
    logging.getLogger("httpcore.http11").debug("receive_response_headers.complete %r", headers)
    logging.getLogger("ops_core.work").info("place ChIJD7fiBh9u5kcRYJSMaMOCCwQ")
    said = lines.getvalue()
    assert "kQ7xZ9vT2mR4wL8pN5bD" not in said
    assert "nginx/1.25.3" in said
    assert "place ChIJD7fiBh9u5kcRYJSMaMOCCwQ" in said


def test_a_formatter_that_takes_the_arguments_apart_finds_them_clean(lines: io.StringIO) -> None:
    record = logging.getLogRecordFactory()(
        "uvicorn.access",
        logging.INFO,
        __file__,
        1,
        '%s - "%s %s HTTP/%s" %d',
        ("127.0.0.1:1", "GET", f"/x?token=abc123&y={KEY}", "1.1", 200),
        None,
    )
    assert isinstance(record, CleanRecord)
    said = AccessFormatter("%(request_line)s %(status_code)s", use_colors=False).format(record)
    assert said == "GET /x?token=REDACTED&y=REDACTED HTTP/1.1 200 OK"


def test_records_made_without_a_logger_are_records(lines: io.StringIO) -> None:
    assert logging.makeLogRecord({"msg": "token=abc123"}).getMessage() == "token=REDACTED"


@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_breaks_or_logs_shows_no_key(way: str, tmp_path) -> None:
    code = (
        f"{WAYS[way]}\n"
        "import logging, os, threading\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "key = os.environ['VENUE_OPS_IMAGEKIT_PRIVATE_KEY']\n"
        "logging.getLogger('httpx').debug('Authorization is %s', key)\n"
        "def fail(): raise ValueError(key)\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "raise RuntimeError(f'https://x.example/?q={key}')"
    )
    env = {f"VENUE_OPS_{name.upper()}": key for name, key in OURS.items()}
    env |= {"BROKER_URL": "redis://:c0nfG-broker7@127.0.0.1:1/0", "VENUE_OPS_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin", **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "RuntimeError: https://x.example/?q=REDACTED" in done.stderr
    assert "ValueError: REDACTED" in done.stderr
    assert marks(done.stdout + done.stderr) == set()
