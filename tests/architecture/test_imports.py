"""Who may import what: the layers, and the one place each outside library lives in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted([*ROOT.glob("ops_core/**/*.py"), *ROOT.glob("pages/*.py"), ROOT / "streamlit_app.py"])

#: The parts of the product, and the parts each may import besides itself, `domain` and `settings`.
LAYERS: dict[str, set[str]] = {
    "domain": set(),
    "logs": set(),
    "settings": {"settings_providers", "settings_store", "logs"},
    "settings_providers": set(),
    "settings_store": set(),
    "settings_help": set(),
    "db": set(),
    "providers": set(),
    "storage": set(),
    "work": {"db", "providers", "storage", "importers"},
    "tasks": {"work", "db"},
    "importers": {"db"},
    "analytics": {"db"},
    "actions": {"tasks", "work", "db", "importers"},
    "ui": {"actions", "analytics", "db", "storage"},
    "pages": {"ui", "actions", "analytics"},
    "notebook": {"actions", "db"},
    "commands": {"actions", "db", "notebook"},
    "embedded": set(),
    "sandbox": set(),
}
#: These wire the parts together and may import any of them.
WIRING = {"cli", "doctor", "mending", "embedded"}
ALWAYS = {"domain", "settings"}

#: Outside libraries that only these parts may import.
ONLY_IN: dict[str, set[str]] = {
    "streamlit": {"ui", "pages"},
    "celery": {"tasks"},
    "kombu": {"tasks"},
    "alembic": {"db"},
    "psycopg": {"db", "embedded"},
    "aiohttp": {"providers", "storage", "sandbox"},
    "obstore": {"storage"},
    "apprise": {"work.notify"},
    "requests": set(),
    "httpx": set(),
    "urllib.request": set(),
}
#: What everybody may take from SQLAlchemy: types to hand on and errors to answer, but no statements.
SQLALCHEMY_TYPES = {"Connection", "Engine", "Row", "RowMapping", "make_url"}
#: Who may open a socket; `ui.server` does it to see whether its port is free.
SOCKETS_IN = {"providers", "storage", "sandbox", "embedded", "work.notify", "ui.server"}


def part_of(module: str) -> str:
    """`ops_core.db.images` is in `db`; a page and the entry script are in `pages`."""
    names = module.split(".")
    return names[1] if names[0] == "ops_core" and len(names) > 1 else "pages"


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Every (module, name) that `path` imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports name their module in full"
            yield from ((node.module or "", alias.name) for alias in node.names)


def opens_sockets(path: Path) -> bool:
    """Whether `path` speaks of `socket.socket`; `socket.gethostname` touches no network."""
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "socket"
        and node.attr in {"socket", "create_connection", "create_server"}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )


def broken_rules(path: Path) -> Iterator[str]:
    name = module_name(path)
    part = part_of(name)
    for module, imported in imports(path):
        if module.split(".")[0] == "ops_core":
            target = part_of(f"{module}.{imported}" if module == "ops_core" else module)
            allowed = LAYERS.get(part, set()) | ALWAYS | {part, "pages"}
            if name != "ops_core" and part not in WIRING and target not in allowed:
                yield f"{name} imports ops_core.{target}"
        for library, places in ONLY_IN.items():
            whole = f"{module}.{imported}" if module == "urllib" else module
            if (whole == library or whole.startswith(library + ".")) and not (
                part in places or name.removeprefix("ops_core.") in places
            ):
                yield f"{name} imports {library}"
        is_sql = module.split(".")[0] == "sqlalchemy" and imported not in SQLALCHEMY_TYPES
        if is_sql and module != "sqlalchemy.exc" and part != "db":
            yield f"{name} imports {imported or module} from sqlalchemy: SQL lives in db/"
    if part not in SOCKETS_IN and name.removeprefix("ops_core.") not in SOCKETS_IN and opens_sockets(path):
        yield f"{name} opens sockets"


def test_the_arrows_point_down():
    assert [rule for path in MODULES for rule in broken_rules(path)] == []


def test_every_part_of_the_product_is_in_the_table():
    parts = {part_of(module_name(path)) for path in MODULES if module_name(path) != "ops_core"}
    assert parts - set(LAYERS) - WIRING == set()


@pytest.mark.parametrize(
    ("path", "source", "rule"),
    [
        ("ops_core/domain/x.py", "from ops_core.db import images", "imports ops_core.db"),
        ("ops_core/db/x.py", "def f():\n    import ops_core.work.upload", "imports ops_core.work"),
        ("ops_core/work/x.py", "import streamlit as st", "imports streamlit"),
        ("ops_core/ui/x.py", "from celery import Celery", "imports celery"),
        ("ops_core/work/x.py", "import aiohttp.web", "imports aiohttp"),
        ("ops_core/ui/x.py", "from urllib import request", "imports urllib.request"),
        ("pages/x.py", "from sqlalchemy import Engine, select", "imports select from sqlalchemy"),
        ("pages/x.py", "from ops_core.db import images", "imports ops_core.db"),
        ("ops_core/work/x.py", "import socket\nsocket.create_connection(('x', 1))", "opens sockets"),
    ],
)
def test_a_broken_rule_is_found(tmp_path, monkeypatch, path: str, source: str, rule: str):
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(source)
    (found,) = broken_rules(file)
    assert rule in found


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_is_small_and_named_for_what_it_holds(path: Path):
    source = path.read_text(encoding="utf-8")
    classes = [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    assert path.stem not in {"utils", "helpers", "common", "util", "helper", "misc"}
    assert [name for name in classes if name.endswith(("Manager", "Service"))] == []
    # a migration is written once and never read into; the schema is one list of tables
    is_list_of_tables = "migrations" in path.parts or module_name(path) == "ops_core.db.schema"
    assert is_list_of_tables or len(source.splitlines()) <= 350
