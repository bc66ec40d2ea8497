"""The `venue-ops` command: help at once, errors as sentences, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from ops_core.embedded import record
from ops_core.settings import get_settings

ROOT = Path(__file__).parents[2]


def run(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops_core.cli", *command],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_help_needs_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from ops_core.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print(*{'streamlit', 'pandas', 'celery', 'sqlalchemy', 'aiohttp'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("\n", 0), done.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("VENUE_OPS_CONSOLE_PORT", "web", "VENUE_OPS_CONSOLE_PORT: input should be a valid integer"),
        ("DATABASE_URL", "mysql://u:geheim@h/d", "DATABASE_URL: must be a PostgreSQL address"),
        ("BROKER_URL", "kafka://h", "BROKER_URL: must be a Redis or RabbitMQ address"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, said: str) -> None:
    done = run("doctor", **{name: value})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(said)
    assert "geheim" not in line


@pytest.mark.parametrize("command", ["migrate", "worker", "dispatcher", "env"])
def test_without_a_running_system_a_command_says_what_to_start(command: str) -> None:
    done = run(command)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "start `venue-ops up`" in line


@pytest.mark.parametrize("command", ["worker", "web"])
def test_beside_a_sandbox_nothing_is_started_that_would_ask_the_real_providers(
    tmp_path: Path, command: str
) -> None:
    database = "postgresql://somebody@127.0.0.1:1/ours"
    (tmp_path / "run").mkdir()
    addresses = {"DATABASE_URL": database, "BROKER_URL": "redis://x", "SANDBOX_URL": "http://127.0.0.1:9"}
    (tmp_path / "run" / "addresses.json").write_text(json.dumps(addresses))
    done = run(command, DATABASE_URL=database, VENUE_OPS_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "would ask the real ones" in line
    assert "VENUE_OPS_SANDBOX_URL" in line


def test_a_database_that_is_away_is_one_sentence_without_the_password() -> None:
    done = run("migrate", DATABASE_URL="postgresql://me:geheim@127.0.0.1:1/nothing")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "The database at postgresql+psycopg://me:***@127.0.0.1:1/nothing cannot be reached"
    )
    assert "geheim" not in done.stderr


def test_doctor_says_what_is_wrong_and_never_a_secret() -> None:
    done = run(
        "doctor",
        DATABASE_URL="postgresql://me:geheim@127.0.0.1:1/nothing",
        BROKER_URL="redis://:geheim@127.0.0.1:1/0",
        VENUE_OPS_GOOGLE_PLACES_API_KEY="geheim",
    )
    assert done.returncode == 1
    assert "geheim" not in done.stdout + done.stderr
    lines = {line.split()[1]: line for line in done.stdout.splitlines()}
    assert lines["database"].startswith("✗")
    assert "correct DATABASE_URL" in lines["database"]
    assert lines["broker"].startswith("✗")
    assert "correct BROKER_URL" in lines["broker"]
    assert lines["store"].startswith("✓")


def test_env_prints_no_password(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    addresses = {
        "DATABASE_URL": "postgresql://ops:geheim99@db.example.org/ops",
        "BROKER_URL": "redis://:geheim99@broker.example.org/0",
        "CONSOLE_URL": "http://127.0.0.1:8501/admin/venue-images",
    }
    # as while `venue-ops up` runs on outside servers
    record.write_processes(data_dir, {})
    record.write_addresses(data_dir / "run" / "addresses.json", addresses)
    done = run("env", f"--data-dir={data_dir}")
    assert done.returncode == 0
    assert done.stdout == "export CONSOLE_URL=http://127.0.0.1:8501/admin/venue-images\n"
    assert "geheim99" not in done.stderr
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["DATABASE_URL", "BROKER_URL"]


@pytest.mark.postgres
def test_loading_venues_reports_refused_lines_and_loads_the_others(database: Engine, tmp_path: Path) -> None:
    file = tmp_path / "venues.csv"
    file.write_text(
        "name,address,city,country,latitude,longitude\n"
        "Wawel,Wawel 5,Kraków,Poland,50.054,19.936\n"
        "Nowhere,,Kraków,Poland,95,19\n"
    )
    done = run("venues", "load", str(file))
    assert done.returncode == 3, done.stderr
    assert done.stdout == "1 venues added, 0 updated, 0 unchanged, 1 lines refused.\n"
    assert "line 3 latitude must be between -90 and 90, not 95" in done.stderr
    with database.connect() as connection:
        assert connection.scalar(text("SELECT name FROM venues")) == "Wawel"


@pytest.mark.postgres
def test_a_list_that_cannot_be_read_is_one_sentence(database: Engine, tmp_path: Path) -> None:
    done = run("venues", "load", str(tmp_path / "absent.csv"))
    assert done.returncode == 1
    assert done.stderr.strip() == f"{tmp_path / 'absent.csv'} does not exist."
    assert get_settings().require_database_url() == database.url.render_as_string(hide_password=False)
