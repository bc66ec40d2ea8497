"""Settings of the providers: keys, which of their interfaces is asked, and the sandbox that plays them."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings


class ProviderSettings(BaseSettings):
    """Part of `Settings`; the description of each is its help line."""

    google_places_api_key: SecretStr | None = Field(
        None, description="Key for Google Places (New). Empty: Google Places is not asked."
    )
    google_places_api: Literal["new", "legacy"] = Field(
        "new", description="Which of Google's two interfaces the key is for: new or legacy."
    )
    foursquare_api_key: SecretStr | None = Field(
        None, description="Service key for Foursquare Places. Empty: Foursquare is not asked."
    )
    foursquare_api: Literal["2025", "v3"] = Field(
        "2025", description="Which of Foursquare's interfaces the key is for: 2025 or v3."
    )
    here_api_key: SecretStr | None = Field(None, description="Key for HERE. Empty: HERE is not asked.")
    here_images: bool = Field(
        False,
        description="Whether your contract with HERE includes photos. false: HERE is asked for venues only.",
    )
    mapbox_access_token: SecretStr | None = Field(
        None, description="Access token for Mapbox. Empty: Mapbox is not asked."
    )
    unsplash_access_key: SecretStr | None = Field(
        None, description="Access key of your Unsplash application. Empty: Unsplash is not asked."
    )
    unsplash_app_name: str = Field(
        "venue_image_operations",
        pattern=r"^[A-Za-z0-9_.-]{1,80}$",
        description="Name of your Unsplash application, which its attribution links must carry.",
    )
    wikimedia_contact: str | None = Field(
        None,
        description="E-mail or web page of whoever runs this, sent in the User-Agent as Wikimedia requires. "
        "Empty: Wikimedia Commons is not asked.",
    )
    provider_timeout: float = Field(
        20.0, gt=0, description="Seconds one provider may take to list the photos of one venue."
    )
    permit_wait: float = Field(
        10.0, ge=0, description="Longest wait for a provider's rate limit, seconds, before work is put off."
    )

    sandbox_url: str | None = Field(
        None,
        description="Address of the sandbox, such as http://127.0.0.1:8502. When set, every provider is "
        "asked there and nothing goes to the internet; its host and port are the one private address "
        "allowed.",
    )
    sandbox_copies: str = Field(
        "google_places,mapbox,foursquare",
        description="Providers whose sandbox photos are copied although the real terms forbid it, with "
        "commas between them: drawn photos are nobody's. Without a sandbox this changes nothing.",
    )
    sandbox_port: int = Field(
        8502, ge=1, le=65535, description="Port the sandbox listens on (loopback only)."
    )
    sandbox_seed: int = Field(7, description="Seed of the sandbox: same seed, same photos and same failures.")
    sandbox_fault_rate: float = Field(
        0.06, ge=0, le=1, description="Share of sandbox photos that fail at first."
    )
    sandbox_listing_fault_rate: float = Field(
        0.02, ge=0, le=1, description="Share of sandbox photo listings that fail at first."
    )
    sandbox_delay: float = Field(0.15, ge=0, description="Usual seconds the sandbox takes to answer.")

    @field_validator("sandbox_url")
    @classmethod
    def _sandbox(cls, value: str | None) -> str | None:
        if not value:
            return None
        parts = urlsplit(value)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise ValueError("must look like http://127.0.0.1:8502")
        return value.rstrip("/")
