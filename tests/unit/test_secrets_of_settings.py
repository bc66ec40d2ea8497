"""What the settings keep to themselves: in their text, in their errors, and in the texts of the process."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from ops_core.domain.known_secrets import hide
from ops_core.domain.web_addresses import passwords
from ops_core.mending import masked
from ops_core.settings import Settings
from ops_core.settings_help import env_example, env_name
from tests.support.planted import OURS, marks

SECRET_FIELDS = [
    name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
]
URLS = {
    "database_url": "postgresql://ops:c0nfG-database7@db:5432/ops",
    "broker_url": "redis://:c0nfG%2Fbroker7@127.0.0.1/0",
}


def test_every_key_there_is_has_been_planted() -> None:
    assert set(SECRET_FIELDS) == set(OURS) | {"oidc_client_secret", "cookie_secret"}


def test_neither_keys_nor_passwords_are_in_the_text_of_the_settings() -> None:
    settings = Settings(**OURS, **URLS)
    for said in (repr(settings), str(settings), repr(settings.model_copy()), f"{settings!r:>10}"):
        assert marks(said) == set()
    assert "SecretStr('**********')" in repr(settings)


@pytest.mark.parametrize("wrong", [{"log_level": "LOUD"}, {"cookie_secret": "c0nfG-short"}])
def test_an_error_of_one_setting_shows_none(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**OURS, **URLS, **wrong)
    assert marks(f"{caught.value} {caught.value!r}") == set()


def test_the_process_knows_the_secrets_of_its_settings() -> None:
    said = " ".join([*OURS.values(), "c0nfG-database7", "c0nfG/broker7", "c0nfG%2Fbroker7"])
    assert marks(hide(said))
    Settings(**OURS, **URLS)
    assert marks(hide(said)) == set()


def test_settings_that_were_read_long_ago_are_still_known() -> None:
    Settings(here_api_key=SecretStr("first-c0nfG-key"))
    Settings(here_api_key=SecretStr("second-c0nfG-key"))
    assert hide("first-c0nfG-key second-c0nfG-key") == "REDACTED REDACTED"


def test_no_secret_is_in_the_list_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in (OURS | URLS).items():
        monkeypatch.setenv(env_name(name), key)
    assert marks(env_example()) == set()


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgresql+psycopg://ops:se/cr%40t1@db/ops", ["se/cr%40t1", "se/cr@t1"]),
        ("redis://:hunter22@h/0", ["hunter22", "hunter22"]),
        ("amqp://guest:guest@h//", []),  # a plain word stands in other texts too
        ("postgresql://venue_ops@/venue_ops?host=/tmp/x", []),
        ("redis+socket:///tmp/x", []),
        ("", []),
    ],
)
def test_the_password_of_an_address_is_known_as_it_stands_and_decoded(url: str, found: list[str]) -> None:
    assert passwords(url) == found


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ops:c0nfG@db/ops",
        "redis://:c0nfG@h/0",
        "postgresql://db/ops?user=ops&password=c0nfG",
        "postgresql://db/ops?sslpassword=c0nfG",
    ],
)
def test_an_address_is_shown_without_its_password(url: str) -> None:
    assert "c0nfG" not in masked(url)
    assert "/ops" in masked(url) or "h/0" in masked(url)


def test_an_address_without_a_password_is_shown_as_it_is() -> None:
    url = "postgresql+psycopg://venue_ops@/venue_ops?host=/tmp/x"
    assert masked(url) == url
