"""What the database's errors say: the question that failed, and not what it was asked with."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

pytestmark = pytest.mark.postgres


def test_an_error_quotes_the_question_and_not_its_parameters(database: Engine) -> None:
    with database.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text("SELECT 1 / 0, CAST(:name AS text)"), {"name": "Café Sperlonga"})
    assert "SELECT 1 / 0" in str(caught.value)
    assert "Sperlonga" not in str(caught.value)
