"""Settings of the image store: which one, and how it is reached."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class StoreSettings(BaseSettings):
    """Part of `Settings`; the description of each is its help line."""

    store: Literal["disk", "s3", "imagekit"] = Field(
        "disk", description="Where pictures are kept: disk, s3 (AWS, R2, MinIO and alike) or imagekit."
    )
    store_dir: Path | None = Field(
        None, description="Folder of the disk store. Empty: store/ in the data folder."
    )
    s3_bucket: str | None = Field(None, description="Bucket of the s3 store.")
    s3_endpoint: str | None = Field(
        None,
        description="Address of the s3 service, such as https://ACCOUNT.r2.cloudflarestorage.com. "
        "Empty: AWS in s3_region.",
    )
    s3_region: str = Field("auto", description="Region of the bucket; auto for R2 and most others.")
    s3_access_key_id: SecretStr | None = Field(None, description="Access key id of the s3 store.")
    s3_secret_access_key: SecretStr | None = Field(None, description="Secret access key of the s3 store.")
    s3_path_style: bool = Field(
        True, description="Name the bucket in the path (true) or in the host name (false)."
    )
    s3_public_url: str | None = Field(
        None,
        description="Address under which browsers reach the bucket, such as https://images.example.org. "
        "Empty: the console fetches its pictures for those who may look.",
    )
    imagekit_private_key: SecretStr | None = Field(None, description="Private key of the ImageKit account.")
    imagekit_url_endpoint: str | None = Field(
        None, description="URL endpoint of the ImageKit account, such as https://ik.imagekit.io/your_id."
    )
    imagekit_api_url: str | None = Field(
        None, description="Another address of ImageKit's API, for tests and proxies. Empty: the real one."
    )
    store_timeout: float = Field(30.0, gt=0, description="Seconds one request to the store may take.")
