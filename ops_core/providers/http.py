"""CONTRACT ONLY, to be replaced by its owner. The guarded HTTP client all providers and downloads go through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ops_core.providers.source import Download
from ops_core.settings import Settings

#: Waits for one permit of the provider (its code is given); raises Failed(rate_limited, retry_after) when the wait is too long.
Permit = Callable[[str], Awaitable[None]]


class Http:
    """One guarded aiohttp session: made per chunk of work, used as `async with Http(settings) as http`."""

    def __init__(self, settings: Settings) -> None: ...
    async def __aenter__(self) -> Http: ...
    async def __aexit__(self, *exc: object) -> None: ...

    def api(self, provider: str, permit: Permit) -> Api: ...

    async def download(self, download: Download) -> Body:
        """The bytes behind `download.url`, within all limits. Raises Failed."""


@dataclass(frozen=True, slots=True)
class Body:
    data: bytes
    content_type: str  # as claimed by the server
    status_code: int


class Api:
    """What a source speaks through: JSON calls for one provider, one permit each, counted."""

    calls: int  # calls made so far through this object
    settings: Settings
    log: Any

    def base(self, host: str) -> str:
        """`https://host`, or the sandbox's stand-in for it when `settings.sandbox_url` is set: `{sandbox_url}/{host}`."""

    async def get_json(self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
                       classify: Callable[[int, Mapping[str, str], Any], Any] | None = None) -> Any:
        """Parsed JSON of a 200 reply; otherwise Failed, by `classify(status, headers, body)` -> Failure | None, else by status."""
