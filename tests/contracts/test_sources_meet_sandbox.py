"""The sources and the sandbox understand each other, from listing to a proven picture, and in every fault."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed
from ops_core.domain.places import Venue
from ops_core.providers.http import Http
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Photo, UseReporter
from ops_core.sandbox.faults import Fault
from ops_core.sandbox.google_places import lasting
from ops_core.settings import Settings
from ops_core.work.verify import VerifiedImage, verify_image
from tests.support.loopback import Permits, api_of
from tests.support.provider_replies import CASES, venue_with
from tests.support.sandbox import SandboxProcess

VENUES = {
    "google_places": [
        Venue(
            name="V",
            address="",
            city="C",
            country="PL",
            provider_ids={"google_places": f"ChIJsandbox-contract-{n:04}"},
        )
        for n in range(8)
    ],
    "wikimedia_commons": [
        *(
            Venue(name="V", address="", city="C", country="PL", provider_ids={"wikidata": f"Q{n}"})
            for n in range(240, 246)
        ),
        Venue(
            name="V",
            address="",
            city="C",
            country="PL",
            provider_ids={"wikimedia_commons": "Category:Sandbox"},
        ),
        Venue(name="V", address="", city="C", country="PL", latitude=50.061, longitude=19.937),
    ],
    "foursquare": [venue_with(foursquare=f"4b058694f964a520d4b6{n:04}") for n in range(8)],
    "here": [venue_with(here=f"here:pds:place:616u2yhm-{n:032}") for n in range(8)],
    "mapbox": [venue_with(mapbox=f"dXJuOm1ieHBvaTpmMzRhMDkxOC1kZTRjLTQyNDkt{n:04}") for n in range(8)],
    "unsplash": [venue_with(unsplash=f"jazz club {n}") for n in range(8)],
}

FAULTS = {
    Fault.RATE_LIMITED: {ErrorType.RATE_LIMITED},
    Fault.SERVER_ERROR: {ErrorType.SERVER_ERROR},
    Fault.BAD_GATEWAY: {ErrorType.BAD_GATEWAY},
    Fault.SERVICE_UNAVAILABLE: {ErrorType.SERVICE_UNAVAILABLE},
    Fault.GATEWAY_TIMEOUT: {ErrorType.GATEWAY_TIMEOUT},
    Fault.TIMEOUT: {ErrorType.NETWORK_TIMEOUT},
    Fault.RESET: {ErrorType.NETWORK_ERROR},
    Fault.FORBIDDEN: {ErrorType.FORBIDDEN, ErrorType.QUOTA_EXCEEDED},
    Fault.NOT_FOUND: {ErrorType.NOT_FOUND},
    Fault.AUTH_ERROR: {ErrorType.AUTH_ERROR},
    Fault.HTML: {ErrorType.NOT_AN_IMAGE},
    Fault.TRUNCATED: {ErrorType.NETWORK_ERROR},
    Fault.CUT_JPEG: {ErrorType.CORRUPT_IMAGE},
    Fault.OVERSIZE: {ErrorType.FILE_TOO_LARGE},
    Fault.WRONG_TYPE: {ErrorType.UNSUPPORTED_FORMAT},
    Fault.SVG: {ErrorType.UNSUPPORTED_FORMAT},
    Fault.EMPTY: {ErrorType.EMPTY_BODY},
}


GOOGLE = ("google_places", "google_places_legacy")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess() as running:
        yield running


def settings(name: str, sandbox: SandboxProcess) -> Settings:
    """Of the interface `name`; a provider may have more than one."""
    return Settings(
        sandbox_url=sandbox.url, stall_timeout=0.4, max_image_bytes=2_000_000, **CASES[name].settings
    )


async def _list(name: str, sandbox: SandboxProcess) -> list[list[Photo]]:
    code = CASES[name].code
    async with Http(settings(name, sandbox)) as http:
        api = api_of(http, code)
        return [await SOURCES[code].list_photos(venue, api, limit=10) for venue in VENUES[code]]


def _sandbox_ref(photo: Photo) -> str:
    """What the sandbox calls the photo, where the source has to make up a name that stays."""
    last = (photo.fetch_ref or "").rpartition("/")[2]
    if photo.provider == "mapbox":
        return last.removesuffix(".jpg")
    return lasting(last) if photo.provider == "google_places" else photo.provider_ref


async def _bring(name: str, photo: Photo, sandbox: SandboxProcess) -> VerifiedImage:
    code = CASES[name].code
    async with Http(settings(name, sandbox)) as http:
        download = await SOURCES[code].resolve(photo.provider_ref, photo.fetch_ref, api_of(http, code))
        return verify_image((await http.download(download)).data, settings(name, sandbox))


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_listed_photo_comes_as_a_picture_of_its_own(name: str, sandbox: SandboxProcess) -> None:
    sandbox.reset()
    listed = [photo for photos in asyncio.run(_list(name, sandbox)) for photo in photos]
    assert len(listed) > 10
    for photo in listed:
        assert photo.fetch_ref
        assert not CASES[name].states_size or (photo.width and photo.height)
        assert photo.attribution or not CASES[name].names_author
        assert photo.source_url or photo.show_url
    chosen = listed[:12]
    brought = [asyncio.run(_bring(name, photo, sandbox)) for photo in chosen]
    assert len({image.content_hash for image in brought}) == len(chosen)


@pytest.mark.parametrize("name", sorted(CASES))
def test_listing_again_names_the_same_photos(name: str, sandbox: SandboxProcess) -> None:
    first, second = (asyncio.run(_list(name, sandbox)) for _ in range(2))
    assert [[photo.provider_ref for photo in photos] for photos in first] == [
        [photo.provider_ref for photo in photos] for photos in second
    ]


@pytest.mark.parametrize("name", GOOGLE)
def test_the_names_by_which_google_gives_its_photos_are_new_at_each_listing(
    name: str, sandbox: SandboxProcess
) -> None:
    sandbox.reset()
    first, second = (
        [photo for photos in asyncio.run(_list(name, sandbox)) for photo in photos] for _ in range(2)
    )
    assert [photo.provider_ref for photo in first] == [photo.provider_ref for photo in second]
    assert not {photo.fetch_ref for photo in first} & {photo.fetch_ref for photo in second}


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_call_is_counted_once_by_both_sides(name: str, sandbox: SandboxProcess) -> None:
    sandbox.reset()
    code = CASES[name].code

    async def run() -> int:
        async with Http(settings(name, sandbox)) as http:
            permits = Permits()
            api = api_of(http, code, permits)
            for venue in VENUES[code]:
                await SOURCES[code].list_photos(venue, api, limit=10)
            assert api.calls == len(permits.taken)
            return api.calls

    assert asyncio.run(run()) == sandbox.counts()["totals"]["requests"]


@pytest.mark.parametrize("fault", sorted(FAULTS))
@pytest.mark.parametrize("name", sorted(CASES))
def test_every_fault_of_a_photo_ends_in_its_error_type(
    name: str, fault: Fault, sandbox: SandboxProcess
) -> None:
    sandbox.reset()
    photo = next(photo for photos in asyncio.run(_list(name, sandbox)) for photo in photos)
    sandbox.set_faults(script={f"image:{photo.provider}:{_sandbox_ref(photo)}": [fault]}, retry_after=4)
    with pytest.raises(Failed) as caught:
        asyncio.run(_bring(name, photo, sandbox))
    assert caught.value.failure.error_type in FAULTS[fault]
    if fault in (Fault.RATE_LIMITED, Fault.SERVICE_UNAVAILABLE):
        assert caught.value.failure.retry_after == 4.0


REPORTERS = {code: source for code, source in SOURCES.items() if isinstance(source, UseReporter)}


@pytest.mark.parametrize("code", sorted(REPORTERS))
def test_the_use_of_a_photo_arrives_once_and_a_refusal_says_why(code: str, sandbox: SandboxProcess) -> None:
    sandbox.reset()
    photo = next(photo for photos in asyncio.run(_list(code, sandbox)) for photo in photos)
    key = f"other:{code}:{photo.provider_ref}"

    async def report() -> int:
        async with Http(settings(code, sandbox)) as http:
            api = api_of(http, code)
            await REPORTERS[code].report_use(photo.provider_ref, photo.fetch_ref, api)
            return api.calls

    assert asyncio.run(report()) == 1
    assert sandbox.counts()["keys"][key]["successes"] == 1
    sandbox.set_faults(script={key: [Fault.RATE_LIMITED]}, retry_after=4)
    with pytest.raises(Failed) as caught:
        asyncio.run(report())
    assert (caught.value.failure.error_type, caught.value.failure.retry_after) == (
        ErrorType.RATE_LIMITED,
        4.0,
    )


LISTING_FAULTS: list[Any] = [
    *(Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.BAD_GATEWAY, Fault.SERVICE_UNAVAILABLE),
    *(Fault.GATEWAY_TIMEOUT, Fault.RESET, Fault.TIMEOUT, Fault.NOT_FOUND, Fault.AUTH_ERROR, Fault.TRUNCATED),
]


#: What an interface says in its own way.
SAID = {
    # UNKNOWN_ERROR, which is documented to pass
    ("google_places_legacy", Fault.SERVER_ERROR): {ErrorType.SERVER_ERROR, ErrorType.SERVICE_UNAVAILABLE},
}


@pytest.mark.parametrize("fault", LISTING_FAULTS)
@pytest.mark.parametrize("name", sorted(CASES))
def test_every_fault_of_a_listing_ends_in_its_error_type(
    name: str, fault: Fault, sandbox: SandboxProcess
) -> None:
    sandbox.reset()
    sandbox.set_faults(listing_rates={fault: 1.0})
    with pytest.raises(Failed) as caught:
        asyncio.run(_list(name, sandbox))
    assert caught.value.failure.error_type in SAID.get((name, fault), FAULTS[fault])


@pytest.mark.parametrize(
    ("name", "fault", "expected"),
    [
        ("google_places", Fault.FORBIDDEN, ErrorType.FORBIDDEN),
        ("google_places_legacy", Fault.FORBIDDEN, ErrorType.QUOTA_EXCEEDED),  # it comes with a picture
        *((name, Fault.AUTH_ERROR, ErrorType.AUTH_ERROR) for name in GOOGLE),
        *((name, Fault.RATE_LIMITED, ErrorType.RATE_LIMITED) for name in GOOGLE),
        *((name, Fault.NOT_FOUND, ErrorType.NOT_FOUND) for name in GOOGLE),
        *((name, Fault.STALE_REFERENCE, ErrorType.STALE_REFERENCE) for name in GOOGLE),
        *((name, Fault.SERVICE_UNAVAILABLE, ErrorType.SERVICE_UNAVAILABLE) for name in GOOGLE),
    ],
)
def test_every_fault_of_google_when_a_photo_is_resolved_ends_in_its_error_type(
    name: str, fault: Fault, expected: ErrorType, sandbox: SandboxProcess
) -> None:
    sandbox.reset()
    photo = next(photo for photos in asyncio.run(_list(name, sandbox)) for photo in photos)
    sandbox.set_faults(script={f"resolve:google_places:{_sandbox_ref(photo)}": [fault]})
    with pytest.raises(Failed) as caught:
        asyncio.run(_bring(name, photo, sandbox))
    assert caught.value.failure.error_type is expected


def test_both_interfaces_of_google_list_the_same_photos_and_neither_takes_the_others_names(
    sandbox: SandboxProcess,
) -> None:
    sandbox.reset()
    new, old = (asyncio.run(_list(name, sandbox)) for name in GOOGLE)
    stated = [
        [
            [(_sandbox_ref(p), p.width, p.height, p.attribution, p.attribution_url) for p in photos]
            for photos in all_
        ]
        for all_ in (new, old)
    ]
    assert stated[0] == stated[1]
    for name, photos in (("google_places", old), ("google_places_legacy", new)):
        with pytest.raises(Failed) as caught:
            asyncio.run(_bring(name, next(photo for found in photos for photo in found), sandbox))
        assert caught.value.failure.error_type is ErrorType.STALE_REFERENCE


@pytest.mark.parametrize("name", GOOGLE)
def test_an_expired_google_name_is_a_stale_reference_until_the_venue_is_listed_again(
    name: str, sandbox: SandboxProcess
) -> None:
    sandbox.reset()
    photos = [photo for found in asyncio.run(_list(name, sandbox)) for photo in found]
    sandbox.set_faults(rates={Fault.STALE_REFERENCE: 1.0})
    with pytest.raises(Failed) as caught:
        asyncio.run(_bring(name, photos[0], sandbox))
    assert caught.value.failure.error_type is ErrorType.STALE_REFERENCE
    fresh = {photo.provider_ref: photo for found in asyncio.run(_list(name, sandbox)) for photo in found}
    assert asyncio.run(_bring(name, fresh[photos[0].provider_ref], sandbox)).thumbnail
