"""Every setting of the product, from the environment or a `.env` file.

`DATABASE_URL` and `BROKER_URL` keep the names every platform uses; all others begin with
`VENUE_OPS_`. `.env.example` lists each with its help line (a test keeps the two equal).
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from ops_core.domain import known_secrets
from ops_core.domain.access import Role, Rules, Trait, parse_traits
from ops_core.domain.web_addresses import metadata_url, origin, passwords
from ops_core.logs import redact_logs
from ops_core.settings_providers import ProviderSettings
from ops_core.settings_store import StoreSettings


class NotRunning(Exception):
    """An address was needed, is not set, and no local system runs in the data folder."""


class Settings(ProviderSettings, StoreSettings):
    """All settings; the description of each is its help line."""

    model_config = SettingsConfigDict(
        env_prefix="VENUE_OPS_",
        env_file=".env",
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
        frozen=True,
        hide_input_in_errors=True,  # it may be a secret
    )

    # outside services
    database_url: str | None = Field(
        None,
        validation_alias=AliasChoices("DATABASE_URL", "database_url"),
        repr=False,
        description="PostgreSQL to use, as postgresql://user:password@host/name. Empty: the embedded one.",
    )
    broker_url: str | None = Field(
        None,
        validation_alias=AliasChoices("BROKER_URL", "broker_url"),
        repr=False,
        description="Celery broker, redis://... or amqp://... Empty: the embedded Valkey.",
    )
    database_pool_size: int = Field(
        8, ge=1, description="Database connections each process keeps open at most."
    )

    # this machine
    data_dir: Path = Field(
        Path(".data"), description="Folder of the embedded database, the broker, the store and the logs."
    )
    console_host: str = Field("127.0.0.1", description="Address the console listens on.")
    console_port: int = Field(8501, ge=1, le=65535, description="Port the console listens on.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    # sign-in
    public_url: Annotated[str, AfterValidator(origin)] | None = Field(
        None,
        description="Where people reach the console, such as https://console.example.org. The sign-in "
        "provider must know the address that `venue-ops doctor` shows for it as its redirect URI.",
    )
    oidc_metadata_url: Annotated[str, AfterValidator(metadata_url)] | None = Field(
        None,
        description="OpenID Connect metadata of the sign-in provider, "
        "https://.../.well-known/openid-configuration. Empty, as all of sign-in: nobody signs in, and the "
        "console serves this machine only.",
    )
    oidc_client_id: str | None = Field(None, description="Client id of the console with that provider.")
    oidc_client_secret: SecretStr | None = Field(
        None, description="Client secret of the console with that provider."
    )
    oidc_scope: str = Field(
        "openid email profile", description="What is asked of the sign-in provider about a person."
    )
    oidc_groups_claim: str = Field(
        "groups", min_length=1, description="Claim of the ID token that lists a person's groups."
    )
    cookie_secret: SecretStr | None = Field(
        None,
        description="Signs the cookies of those who are signed in; at least 32 characters, the same for all "
        "consoles at one address. `openssl rand -hex 32` makes one.",
    )
    sign_in_hours: float | None = Field(
        None,
        gt=0,
        le=720,
        description="Hours a sign-in lasts. Empty: as long as the provider's ID token says, often an hour "
        "or less.",
    )
    viewers: str | None = Field(
        None,
        description="Who may look: e-mail addresses (ann@example.org), domains (@example.org) and groups "
        "(group:name), with commas between them.",
    )
    operators: str | None = Field(None, description="Who may retry and pause too; written as the viewers.")
    admins: str | None = Field(None, description="Who may change settings too; written as the viewers.")
    default_role: Literal["none", "viewer", "operator"] = Field(
        "none", description="Role of those who sign in and are in no list: none, viewer or operator."
    )

    # safe fetching
    connect_timeout: float = Field(5.0, gt=0, description="Seconds to connect to a host.")
    stall_timeout: float = Field(
        10.0, gt=0, description="Seconds without a byte after which a download ends."
    )
    download_timeout: float = Field(30.0, gt=0, description="Seconds one download may take in all.")
    max_redirects: int = Field(3, ge=0, description="Redirects followed for one download.")
    max_image_bytes: int = Field(20_000_000, gt=0, description="Largest file taken, bytes.")
    max_image_pixels: int = Field(50_000_000, gt=0, description="Largest picture decoded, pixels.")
    max_reply_bytes: int = Field(5_000_000, gt=0, description="Largest API reply read, bytes.")

    # enrichment
    image_width: int = Field(1600, ge=200, le=4800, description="Width asked of providers, pixels.")
    max_images_per_provider: int = Field(10, ge=1, description="Photos taken of one venue from one provider.")
    max_images_per_venue: int = Field(25, ge=1, description="Photos taken of one venue in all.")
    recheck_without_images_days: int = Field(
        7, ge=0, description="Days after which a venue without images is asked for again."
    )
    recheck_with_images_days: int = Field(
        90, ge=0, description="Days after which a venue with images is asked for again."
    )

    # workers
    worker_processes: int = Field(2, ge=1, description="Processes of one worker (`venue-ops worker`).")
    downloads_per_process: int = Field(
        32, ge=1, description="Downloads one worker process runs at once, shared out among the providers."
    )
    venues_per_task: int = Field(8, ge=1, le=50, description="Venues one Celery message carries at most.")
    lease_seconds: float = Field(
        30.0, gt=0, description="Seconds a worker holds a claim without a heartbeat before others take it."
    )
    job_max_attempts: int = Field(3, ge=1, description="Times a job is run before it is discarded.")
    job_retry_delay: float = Field(
        30.0,
        ge=0,
        description="Seconds before a job that broke is run again; doubled each time, with jitter.",
    )
    max_lost_claims: int = Field(
        3, ge=1, description="Times workers may die on one image before it is set aside as worker_lost."
    )
    visibility_timeout: int = Field(
        1800,
        ge=10,
        description="Seconds after which Redis or Valkey hands an unacknowledged message out again.",
    )
    dispatch_interval: float = Field(
        2.0,
        gt=0,
        description="Seconds between the dispatcher's rounds (schedules, pending work, stale claims).",
    )
    report_interval: float = Field(
        30.0,
        gt=0,
        description="Seconds between rounds that report uses of photos to the providers that want to know.",
    )

    @field_validator("database_url")
    @classmethod
    def _psycopg(cls, value: str | None) -> str | None:
        if not value:
            return None
        scheme, _, rest = value.partition("://")
        if scheme not in ("postgresql", "postgres", "postgresql+psycopg") or not rest:
            raise ValueError("must be a PostgreSQL address such as postgresql://user:password@host/name")
        return f"postgresql+psycopg://{rest}"

    @field_validator("broker_url")
    @classmethod
    def _broker(cls, value: str | None) -> str | None:
        if not value:
            return None
        scheme = value.partition("://")[0]
        if scheme not in ("redis", "rediss", "redis+socket", "amqp", "amqps", "pyamqp"):
            raise ValueError(
                "must be a Redis or RabbitMQ address, such as redis://host/0 or amqp://user@host//"
            )
        return value

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @field_validator("oidc_scope")
    @classmethod
    def _scope(cls, value: str) -> str:
        if "openid" not in value.split():
            raise ValueError('must contain the word openid, such as "openid email profile"')
        return value

    @field_validator("cookie_secret")
    @classmethod
    def _long(cls, value: SecretStr | None) -> SecretStr | None:
        if value and len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters: `openssl rand -hex 32` makes it")
        return value

    @field_validator("viewers", "operators", "admins")
    @classmethod
    def _people(cls, value: str | None) -> str | None:
        parse_traits(value or "")
        return value

    @model_validator(mode="after")
    def _whole_sign_in(self) -> Self:
        needed = ("public_url", "oidc_metadata_url", "oidc_client_id", "oidc_client_secret", "cookie_secret")
        missing = [f"VENUE_OPS_{name.upper()}" for name in needed if not getattr(self, name)]
        somebody = self.role_rules.roles or self.role_rules.default
        if len(missing) == len(needed) and not somebody:
            return self
        if not somebody:
            missing.append("VENUE_OPS_ADMINS, _OPERATORS or _VIEWERS, as nobody could look")
        if missing:
            raise ValueError(f"sign-in is set up in part only: set {', '.join(missing)} as well")
        return self

    @model_validator(mode="after")
    def _hide_secrets(self) -> Self:
        known_secrets.remember(self.secrets)
        return self

    @property
    def secrets(self) -> list[str]:
        """Every value that nobody may see: of the secret settings, and the passwords in addresses."""
        values = [getattr(self, field) for field in type(self).model_fields]
        found = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        return found + [word for url in (self.database_url, self.broker_url) for word in passwords(url or "")]

    @property
    def sign_in(self) -> bool:
        """Whether people sign in; if not, the console serves this machine only."""
        return self.oidc_metadata_url is not None

    @property
    def role_rules(self) -> Rules:
        """Who has which role."""
        roles: dict[Trait, Role] = {}
        for role, text in (
            (Role.VIEWER, self.viewers),
            (Role.OPERATOR, self.operators),
            (Role.ADMIN, self.admins),
        ):
            roles |= dict.fromkeys(parse_traits(text or ""), role)
        default = Role.GUEST if self.default_role == "none" else Role[self.default_role.upper()]
        return Rules(roles, default, self.oidc_groups_claim)

    @property
    def drawn(self) -> frozenset[str]:
        """The providers whose photos the sandbox in use draws and that are copied whatever the terms say."""
        if not self.running_sandbox():
            return frozenset()
        return frozenset(code.strip() for code in self.sandbox_copies.split(",") if code.strip())

    @property
    def store_path(self) -> Path:
        """Where the disk store keeps its files."""
        return self.store_dir or self.data_dir / "store"

    @property
    def addresses_file(self) -> Path:
        """Where a running `venue-ops up` writes the addresses of its parts."""
        return self.data_dir / "run" / "addresses.json"

    def require_database_url(self) -> str:
        """The database to use: the setting, else the one `venue-ops up` runs in the data folder."""
        return self.database_url or _psycopg_url(self._running("DATABASE_URL"))

    def require_broker_url(self) -> str:
        """The broker to use: the setting, else the one `venue-ops up` runs in the data folder."""
        return self.broker_url or self._running("BROKER_URL")

    def running_sandbox(self) -> str | None:
        """The sandbox in use: the setting, else that of the system whose database this is; None for none."""
        if self.sandbox_url:
            return self.sandbox_url
        try:
            addresses = json.loads(self.addresses_file.read_text())
        except (OSError, ValueError):
            return None
        ours = self.database_url in (None, _psycopg_url(addresses.get("DATABASE_URL", "")))
        return addresses.get("SANDBOX_URL") if ours else None

    def _running(self, name: str) -> str:
        try:
            return str(json.loads(self.addresses_file.read_text())[name])
        except (OSError, ValueError, KeyError):
            raise NotRunning(
                f"{name} is not set and no system runs in {self.data_dir}: set it, or start `venue-ops up`."
            ) from None


def _psycopg_url(url: str) -> str:
    return "postgresql+psycopg://" + url.partition("://")[2]


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once. From then on no log line of the process shows a secret."""
    redact_logs()
    return Settings()
