"""What the settings say about reaching each store, and what is missing in them."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from ops_core.domain.web_addresses import service_url
from ops_core.settings import Settings

_PREFIX = "VENUE_OPS_"


def disk_problem(settings: Settings) -> str | None:
    """Nothing is missing for the disk: every setting has a default."""
    return None


def s3_problem(settings: Settings) -> str | None:
    """What must be set for the s3 store to be used; None if all is there."""
    problem = _missing(settings, "s3", "s3_bucket", "s3_access_key_id", "s3_secret_access_key")
    problem = problem or _bad_url(settings, "s3_endpoint") or _bad_url(settings, "s3_public_url")
    if problem:
        return problem
    if not settings.s3_endpoint:
        if settings.s3_region == "auto":
            return (
                f"{_PREFIX}S3_REGION: set it to the region of the bucket, such as eu-central-1, "
                f"or set {_PREFIX}S3_ENDPOINT if the bucket is not at AWS."
            )
    elif urlsplit(settings.s3_endpoint).path.rstrip("/").endswith(f"/{settings.s3_bucket}"):
        return f"{_PREFIX}S3_ENDPOINT: leave the bucket out; {_PREFIX}S3_BUCKET names it."
    return None


def imagekit_problem(settings: Settings) -> str | None:
    """What must be set for the imagekit store to be used; None if all is there."""
    problem = _missing(settings, "imagekit", "imagekit_private_key", "imagekit_url_endpoint")
    problem = problem or _bad_url(settings, "imagekit_url_endpoint") or _bad_url(settings, "imagekit_api_url")
    if problem:
        return problem
    assert settings.imagekit_private_key is not None
    if settings.imagekit_private_key.get_secret_value().startswith("public_"):
        return (
            f"{_PREFIX}IMAGEKIT_PRIVATE_KEY: this is the public key; set the one that begins with private_."
        )
    endpoint = urlsplit(settings.imagekit_url_endpoint or "")
    if endpoint.hostname == "ik.imagekit.io" and not endpoint.path.strip("/"):
        return (
            f"{_PREFIX}IMAGEKIT_URL_ENDPOINT: add the id of the account, "
            "as in https://ik.imagekit.io/your_id."
        )
    return None


#: What may be wrong with the settings of a store, by the store's name.
PROBLEMS: dict[str, Callable[[Settings], str | None]] = {
    "disk": disk_problem,
    "s3": s3_problem,
    "imagekit": imagekit_problem,
}


def s3_address(settings: Settings) -> str:
    """Where the bucket is spoken to: the service's address, with the bucket in its host name if so set."""
    address = service_url(settings.s3_endpoint or f"https://s3.{settings.s3_region}.amazonaws.com")
    if settings.s3_path_style:
        return address
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{settings.s3_bucket}.{rest}"


def _missing(settings: Settings, store: str, *needed: str) -> str | None:
    absent = [f"{_PREFIX}{name.upper()}" for name in needed if not getattr(settings, name)]
    if not absent:
        return None
    return f"The store {store} is not set up: set {' and '.join(absent)} in the environment or in .env."


def _bad_url(settings: Settings, name: str) -> str | None:
    value = getattr(settings, name)
    if not value:
        return None
    try:
        service_url(value)
    except ValueError as error:
        return f"{_PREFIX}{name.upper()}: {error}."
    return None
