"""A secret planted anywhere is never in what comes out, and what is no secret stays as it was."""

from __future__ import annotations

import json
import string
import time
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ops_core.domain.redact import (
    PLACEHOLDER,
    holds_secret,
    redact,
    redact_all,
    redact_said,
    redact_url,
)

NAMES = [
    *(
        "key",
        "apikey",
        "apiKey",
        "api_key",
        "access_token",
        "token",
        "client_id",
        "client_secret",
        "signature",
    ),
    *("sig", "ik-s", "session_token", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token"),
    *("password", "GOOGLE_PLACES_API_KEY", "accessToken", "clientSecret", "AWSAccessKeyId", "googleApiKey"),
    *("secret_access_key", "app_code", "oauth_signature", "X-Goog-Signature", "subscription-key"),
]

# begins with a letter that no harmless value holds, so that the two are never the same by chance
secrets = st.text(string.ascii_letters + string.digits + "-_~", min_size=11, max_size=50).map("Z".__add__)
names = st.sampled_from(NAMES).flatmap(lambda name: st.sampled_from([name, name.lower(), name.upper()]))
harmless_names = st.sampled_from(
    [
        *("maxwidth", "photo_reference", "w", "h", "page_token", "keyword", "monkey", "sort_key", "tokens"),
        *("signal", "ixid", "q", "continue", "iiprop", "keys"),
    ]
)
harmless_values = st.text(string.ascii_letters.replace("Z", "") + string.digits + "-_.~%/+", max_size=20)
words = st.text(string.ascii_letters + " .,:;()/-", max_size=30)


@st.composite
def encoded_names(draw: st.DrawFn) -> str:
    """A secret parameter's name with some of its letters percent-encoded."""
    name = draw(st.sampled_from(NAMES))
    marks = draw(st.lists(st.booleans(), min_size=len(name), max_size=len(name)))
    return "".join(f"%{ord(char):02x}" if mark else char for char, mark in zip(name, marks, strict=True))


@st.composite
def addresses(draw: st.DrawFn) -> tuple[str, str]:
    """An address with a secret in its query or fragment, and the secret."""
    secret = draw(secrets)
    pairs = [
        f"{name}={value}"
        for name, value in draw(st.lists(st.tuples(harmless_names, harmless_values), max_size=3))
    ]
    pairs.insert(draw(st.integers(0, len(pairs))), f"{draw(names | encoded_names())}={secret}")
    return f"https://api.example.org/v1/photo{draw(st.sampled_from('?#'))}{'&'.join(pairs)}", secret


def assert_gone(secret: str, text: str) -> None:
    for depth in range(4):
        assert secret not in text, f"found after {depth} decodings"
        text = unquote(text)


@given(addresses())
def test_a_secret_in_an_address_does_not_come_out(planted: tuple[str, str]) -> None:
    url, secret = planted
    assert_gone(secret, redact_url(url))
    assert_gone(secret, redact(url))


@given(addresses(), words, words)
def test_a_secret_in_an_address_inside_a_sentence_does_not_come_out(
    planted: tuple[str, str], before: str, after: str
) -> None:
    url, secret = planted
    for text in (f"{before} {url} {after}", f"{before}<{url}>{after}", f'{before}"{url}"{after}', f"({url})"):
        assert_gone(secret, redact(text))


@given(addresses(), st.integers(1, 3))
def test_a_secret_in_an_encoded_address_does_not_come_out(planted: tuple[str, str], depth: int) -> None:
    url, secret = planted
    for _ in range(depth):
        url = quote(url, safe="")
    assert_gone(secret, redact_url(f"https://proxy.example.org/?url={url}&w=1"))
    assert_gone(secret, redact(f"fetching {url} failed"))


@given(st.text(min_size=12, max_size=30), names)
def test_a_secret_of_any_characters_does_not_come_out_of_a_query(secret: str, name: str) -> None:
    value = quote(secret, safe="", errors="replace")
    assert value not in redact_url(f"https://api.example.org/?a=1&{name}={value}&b=2")


@given(secrets, st.sampled_from(["Bearer", "Basic", "Client-ID", "fsq3", "Token"]))
def test_a_secret_in_a_header_does_not_come_out(secret: str, scheme: str) -> None:
    for text in (
        f"Authorization: {scheme} {secret}",
        f"authorization={scheme} {secret}",
        f"sent X-Goog-Api-Key: {secret} to the host",
        str({"Authorization": f"{scheme} {secret}", "Accept": "*/*"}),
        json.dumps({"x-goog-api-key": secret}),
        json.dumps(json.dumps({"headers": {"X-Goog-Api-Key": secret}})),
    ):
        assert secret not in redact(text)


@given(secrets.filter(lambda secret: not secret.isalpha()))
def test_a_bearers_token_does_not_come_out(token: str) -> None:
    for text in (
        f"Bearer {token}",
        f"sent bearer  {token}, and more",
        f"https://x.example/?q=Bearer%20{token}",
    ):
        assert token not in redact(text)


@given(secrets, names)
def test_a_secret_in_json_does_not_come_out(secret: str, name: str) -> None:
    for text in (
        json.dumps({"a": 1, name: secret}),
        repr({name: secret, "b": [2]}),
        json.dumps(json.dumps({name: secret})),
    ):
        assert secret not in redact(text)


@given(secrets, secrets)
def test_a_user_and_password_in_an_address_do_not_come_out(user: str, password: str) -> None:
    for text in (
        f"https://{user}:{password}@example.org/a",
        f"could not connect to postgresql://{user}:{password}@db:5432/ops",
        f"https://{user}:{password}@with@at@example.org/",
        "https://p.example.org/?u=" + quote(f"https://{user}:{password}@example.org/a", safe=""),
    ):
        assert user not in redact(text)
        assert password not in redact(text)
        assert password not in redact_url(text)


@given(st.text(string.ascii_letters + string.digits + "-_", min_size=20, max_size=40), words)
def test_what_looks_like_a_google_key_does_not_come_out(rest: str, around: str) -> None:
    assert f"AIza{rest}" not in redact(f"{around} AIza{rest} {around}")


@pytest.mark.parametrize(
    "key",
    [
        "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
        "AQ.Ab8RN6J2kq7xZ9vT2mR4wL8pN5bD3hJ6sF1yU",
        "fsq3kQ7xZ9vT2mR4wL8pN5bD3hJ6sF1yU=",
        "KQ7XZ9VT2MR4WL8PN5BD3HJ6SF1YU0GE4TA2BC8QWERTYUI1",
        "private_kQ7xZ9vT2mR4wL8pN5bD3=",
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "pk.eyJ1Ijoiam9obiIsImEiOiJjaXQifQ.kQ7xZ9vT2mR4wL8p",
        "sk.eyJ1Ijoiam9obiIsImEiOiJjaXQifQ.kQ7xZ9vT2mR4wL8p",
        "tk.eyJ1Ijoiam9obiIsImEiOiJjaXQifQ.kQ7xZ9vT2mR4wL8p",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.kQ7xZ9vT2mR4wL8p",
        "ya29.a0AfH6SMBkQ7xZ9vT2mR4wL8pN5bD3",
    ],
)
def test_keys_of_providers_are_known_by_their_look(key: str) -> None:
    assert redact(f"it says {key}, sorry") == f"it says {PLACEHOLDER}, sorry"
    assert holds_secret(f"https://photos.example.org/{key}/a.jpg")


@pytest.mark.parametrize(
    "said",
    [
        "The API key {} is not valid.",
        "token: {}",
        "Bad credentials '{}'",
        "the secret is {}",
        "Authorization: Basic {}",
        "sent Basic {} along",
        "Client-ID {} was refused",
        "href=//user:{}@example.org/a",
    ],
)
def test_a_key_named_in_a_sentence_does_not_come_out(said: str) -> None:
    assert "kQ7xZ9vT2mR4wL8p" not in redact(said.format("kQ7xZ9vT2mR4wL8p"))


@pytest.mark.parametrize("name", ["ABBYAIL1IP5BZJEXGZNSCW33UJZWU3THJTUSOQCGL3P2UPXO.jpg"])
def test_what_looks_like_a_key_is_a_photo_where_foursquare_has_its_photos_and_nowhere_else(name: str) -> None:
    photo = f"https://fastly.4sqi.net/img/general/original/{name}"
    for text in (photo, f"see {photo} now", f'"{photo}"', f"{photo}?v=1", photo.upper()):
        assert redact(text) == redact_url(text) == text
    for other in (
        *(f"https://photos.example.org/{name}", f"https://evil4sqi.net/{name}", f"/4sqi.net/{name}"),
        *(f"https://x.example/?u={photo}", f"https://x.example/{photo}", name, photo.removesuffix(".jpg")),
        *(f"{photo}/a", f"{photo}.exe", f"https://fastly.4sqi.net/img?name=/{name}"),
    ):
        assert name[:48] not in redact(other)


@pytest.mark.parametrize(
    "name", ["20130512_123045_photo.jpg", "2019-05-04_at_12.30.45_garden.JPEG", "IMG_20130512_1.png"]
)
def test_the_name_of_a_picture_is_no_key_though_the_word_stands_before_it(name: str) -> None:
    for text in (
        *(f"File:Key {name}", f"the secret: {name}", f"{name}, token {name}"),
        *(f"File:Bearer {name}", f"File:Basic {name}"),
    ):
        assert redact(text) == text


@pytest.mark.parametrize(
    "title",
    [
        "Standard Bearer Monument, Bern",
        "STANDARD BEARER MONUMENT",
        "Cup bearer productions",
        "Key West-Florida-USA-2009 (3)",
        "Subway token Boston-2014-05-12-large(1).jpg",
        "Tokens 2014-05-12_16.30.45-a",
    ],
)
def test_plain_words_and_numbers_are_no_key(title: str) -> None:
    assert redact(title) == title


@pytest.mark.parametrize(
    "said",
    [
        "api key plain-words-2009",
        "the key is plain-words-2009",
        "key: plain-words-2009",
        "password plain-words-2009",
        "secret key plain-words-2009",
    ],
)
def test_plain_words_are_a_key_where_it_is_said_to_be_one(said: str) -> None:
    assert "plain-words-2009" not in redact(said)


@pytest.mark.parametrize("end", [".jpg", "/a.jpg", "_photo.jpg", ".jpg.kQ7xZ9vT2mR4wL8p"])
def test_a_key_is_taken_out_though_it_ends_as_the_name_of_a_picture(end: str) -> None:
    assert "kQ7xZ9vT2mR4wL8p" not in redact(f"File:Key kQ7xZ9vT2mR4wL8p{end}")


@given(st.from_regex(r"[a-z]{3,9}[A-Z]{3,9}[0-9]{3,9}[A-Za-z0-9_-]{12,30}", fullmatch=True))
def test_what_is_said_of_an_error_keeps_no_word_that_could_be_a_key(key: str) -> None:
    assert key not in redact_said(f"{key} was refused; '{key}' is not known ({key}).")


def test_what_stands_under_a_secret_name_does_not_come_out_of_a_value() -> None:
    value = {"api_key": "abc", "photos": [{"url": "https://x.example/?sig=abc", "width": 3, "ok": None}]}
    assert redact_all(value) == {
        "api_key": PLACEHOLDER,
        "photos": [{"url": f"https://x.example/?sig={PLACEHOLDER}", "width": 3, "ok": None}],
    }


@given(
    st.text(max_size=80)
    | st.lists(
        st.sampled_from([*NAMES, "=", "%3D", "&", "://", "@", '"', ":", " ", "Bearer ", "x9", "\\", "%"])
    ).map("".join)
)
@example('"key": "a" "token": \'')
def test_redacting_twice_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)
    assert redact_url(redact_url(text)) == redact_url(text)
    assert redact_said(redact_said(text)) == redact_said(text)


@given(st.lists(st.tuples(harmless_names, harmless_values), max_size=5))
def test_harmless_parameters_are_untouched(pairs: list[tuple[str, str]]) -> None:
    url = "https://lh3.googleusercontent.com/places/AU_x-1=s1600?" + "&".join(
        f"{name}={value}" for name, value in pairs
    )
    assert redact_url(url) == url
    assert redact(f"see {url} now") == f"see {url} now"


@given(addresses())
def test_what_stands_beside_a_secret_is_untouched(planted: tuple[str, str]) -> None:
    url, secret = planted
    assert redact_url(url) == url.replace(secret, PLACEHOLDER)


@pytest.mark.parametrize(
    "text",
    [
        "HTTP 403 from places.googleapis.com.",
        "Google: The provided Place ID is no longer valid.",
        "The token expired; the key was refused.",
        "https://commons.wikimedia.org/wiki/File:Key_West.jpg?width=3",
        "a=1, b=2, c:3",
        "Basic information about the key figures: see page 12.",
        "VENUE_OPS_IMAGEKIT_PRIVATE_KEY: this is the public key; set the one that begins with private_.",
        "https://www.google.com/maps/place//@52.2297,21.0122,17z/data=!3m1",
        "No connection to places-api.foursquare.com in time.",
        "https://images.unsplash.com/photo-1?ixid=M3wxMjA3fDB8MXxzZWFyY2h8MXx8Ymx1ZXxlbnwwfHx8fDE2&q=80",
    ],
)
def test_ordinary_sentences_are_untouched(text: str) -> None:
    assert redact(text) == text
    assert not holds_secret(text)


@pytest.mark.parametrize(
    "piece",
    [
        "a_",
        "key 1a_",
        "key a-1",
        "key a-",
        "bearer a1_",
        "basic a.",
        "Basic+",
        "key a1.jpg_",
        "//4sqi.net/a.",
        "ABBYAIL1IP5BZJEXGZNSCW33UJZWU3THJTUSOQCGL3P2UPXO.jpg/",
        "%25",
        "://",
        "key",
        '"key":"\\',
        "%3a%2f%2f",
        "bearer ",
        "key%3D",
        "\\",
    ],
)
def test_long_hostile_text_is_redacted_in_a_moment(piece: str) -> None:
    began = time.process_time()
    redact(piece * 20_000)
    redact_url(piece * 20_000)
    assert time.process_time() - began < 15  # a few seconds at most; quadratic time is a minute and more
