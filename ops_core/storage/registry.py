"""The image stores there are, and which of them the settings use."""

from __future__ import annotations

from functools import lru_cache

from ops_core.domain.web_addresses import origin_of, service_url
from ops_core.settings import Settings
from ops_core.storage.access import PROBLEMS
from ops_core.storage.disk import DiskStore
from ops_core.storage.store import Store

#: Where the console serves the objects that browsers cannot reach themselves.
MEDIA_PATH = "/admin/venue-images/media"

#: Names of the stores, as in `images.store`.
NAMES = tuple(PROBLEMS)


class NotSetUp(Exception):
    """A store cannot be used as the settings are; the message says what to set."""


def store_problem(settings: Settings, name: str | None = None) -> str | None:
    """What must be set before the store `name`, the one in use if not given, works; None if nothing."""
    return PROBLEMS[name or settings.store](settings)


def open_store(settings: Settings) -> Store:
    """The store the settings name. Raises `NotSetUp`."""
    return open_named(settings, settings.store)


def open_named(settings: Settings, name: str) -> Store:
    """The store called `name`, whichever is in use. Raises `NotSetUp`."""
    if name not in PROBLEMS:
        raise NotSetUp(f"There is no store “{name}”: there are {', '.join(NAMES)}.")
    problem = store_problem(settings, name)
    if problem:
        raise NotSetUp(problem)
    # imported here: who keeps pictures on the disk need not load the clients of the others
    if name == "s3":
        from ops_core.storage.s3 import S3Store

        return S3Store(settings, MEDIA_PATH)
    if name == "imagekit":
        from ops_core.storage.imagekit import ImageKitStore

        return ImageKitStore(settings)
    return DiskStore(settings.store_path, MEDIA_PATH)


@lru_cache(maxsize=1)
def behind_console(settings: Settings) -> Store | None:
    """The store besides the disk whose objects the console itself fetches for browsers; None if none is.

    That is s3 once it is set up, also while another one is in use: pictures may still be there, and kept
    their addresses from a time without a public one. One object serves the whole process.
    """
    return None if store_problem(settings, "s3") else open_named(settings, "s3")


def store_origins(settings: Settings) -> list[str]:
    """Where browsers load pictures of the stores from besides the console, as scheme, host and port.

    Of every store that is set up: pictures may still be in one that is not in use any more.
    """
    public = {"s3": settings.s3_public_url, "imagekit": settings.imagekit_url_endpoint}
    return [
        origin_of(service_url(url))
        for name, url in public.items()
        if url and store_problem(settings, name) is None
    ]
