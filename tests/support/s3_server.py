"""An S3 service on 127.0.0.1 that checks keys, signatures and rights by action, and shows what it was sent.

It is moto's: a model of AWS in memory, for tests of rights and of what objects are served with. A real
service, over a disk and a process that can be killed, is in `rclone_server`; what the store keeps to is
tried by both. Neither throttles nor cuts connections, so tests of that bring servers of their own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import moto.settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

BUCKET = "venue-photos"
REGION = "eu-central-1"
_ALL = ["s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject", "s3:AbortMultipartUpload"]


@dataclass
class S3Server:
    """A running service with one bucket, and a key that may read, write, list and delete in it."""

    url: str
    _iam: Any
    _s3: Any
    settings: dict[str, Any] = field(default_factory=dict)  #: That lead here.

    def key(self, *actions: str) -> dict[str, str]:
        """The settings of a new key with the rights to `actions`, such as s3:GetObject."""
        with _without_checks():
            name = f"user-{len(self._iam.list_users()['Users'])}"
            self._iam.create_user(UserName=name)
            made = self._iam.create_access_key(UserName=name)["AccessKey"]
            statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement] if actions else []})
            self._iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
        return {
            "s3_access_key_id": made["AccessKeyId"],
            "s3_secret_access_key": made["SecretAccessKey"],
        }

    def objects(self) -> dict[str, dict[str, Any]]:
        """Every object: its body and the headers it is served with."""
        with _without_checks():
            listed = self._s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
            return {item["Key"]: self._object(item["Key"]) for item in listed}

    def damage(self, key: str, data: bytes) -> None:
        """Replace an object behind the store's back."""
        with _without_checks():
            self._s3.put_object(Bucket=BUCKET, Key=key, Body=data)

    def reset(self) -> None:
        """Take all objects away."""
        with _without_checks():
            for key in self.objects():
                self._s3.delete_object(Bucket=BUCKET, Key=key)

    def _object(self, key: str) -> dict[str, Any]:
        found = self._s3.get_object(Bucket=BUCKET, Key=key)
        return {
            "body": found["Body"].read(),
            "type": found["ContentType"],
            "cache": found.get("CacheControl"),
        }


@contextmanager
def running_s3() -> Iterator[S3Server]:
    """A running service; only one at a time, since what is stored belongs to the process."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    access: dict[str, Any] = {
        "endpoint_url": url,
        "region_name": REGION,
        "aws_access_key_id": "root",
        "aws_secret_access_key": "root",
    }
    s3 = boto3.client("s3", **access)
    made = S3Server(url, boto3.client("iam", **access), s3)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    made.settings = {
        "s3_bucket": BUCKET,
        "s3_endpoint": url,
        "s3_region": REGION,
        **made.key(*_ALL),
    }
    moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    try:
        yield made
    finally:
        moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")
        s3_backends.reset()
        server.stop()


@contextmanager
def _without_checks() -> Iterator[None]:
    """For the tests' own requests, which are nobody's."""
    before = moto.settings.INITIAL_NO_AUTH_ACTION_COUNT
    moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")
    try:
        yield
    finally:
        moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = before
        ActionAuthenticatorMixin.request_count = 0
