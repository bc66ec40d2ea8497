"""Every page stands in the frame: nobody reaches a page around `open_page`, not even by a cold deep link."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ops_core.ui.frame import PAGES

ROOT = Path(__file__).parents[2]
SCRIPTS = [ROOT / "streamlit_app.py", *sorted((ROOT / "pages").glob("*.py"))]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_page_is_imports_and_one_open_page_block(script):
    docstring, *body = ast.parse(script.read_text()).body
    assert isinstance(docstring, ast.Expr), "a page begins with a docstring that says what it is for"
    statements = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]
    assert len(statements) == 1, "nothing stands before, beside or after the open_page block"
    (block,) = statements
    assert isinstance(block, ast.With)
    call = block.items[0].context_expr
    assert isinstance(call, ast.Call)
    assert isinstance(call.func, ast.Name)
    assert call.func.id == "open_page"


def test_the_navigation_names_every_page_there_is_and_no_other():
    assert {ROOT / file for _, file, _ in PAGES} == set(SCRIPTS)
