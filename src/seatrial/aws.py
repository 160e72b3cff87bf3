"""The one door to AWS: makes clients, turns S3 URIs into files and back, and names errors.

With `AWS_ENDPOINT_URL` in the environment the same clients talk to localcloud.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from seatrial.errors import CloudError, InputError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET_ADVICE = (
    "Check the role's permissions; seatrial infra deploy makes a bucket that is not there"
)


def client(
    service: str,
    *,
    region: str,
    read_timeout_s: int = 70,
    attempts: int = 4,
    connections: int = 10,
) -> Any:
    """A boto3 client. InvokeEndpoint may take 60 s, so reads wait longer than that."""
    import boto3
    from botocore.config import Config

    session: Any = boto3.Session()  # Any: its 400 overloads want a literal name
    return session.client(
        service,
        region_name=region,
        config=Config(
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=connections,
        ),
    )


@contextmanager
def explained(doing: str, *, do: str) -> Iterator[None]:
    """Turn what botocore raises inside into a CloudError that says what was being done."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        answer = error.response.get("Error", {})
        raise CloudError(
            f"AWS refused {doing}",
            got=f"{answer.get('Code')}: {answer.get('Message')}",
            allowed="a successful answer",
            do=do,
        ) from error
    except Boto3Error as error:  # what upload_file makes of a ClientError
        raise CloudError(
            f"AWS refused {doing}", got=str(error), allowed="a successful answer", do=do
        ) from error
    except BotoCoreError as error:
        raise CloudError(
            f"AWS could not be asked for {doing}",
            got=f"{type(error).__name__}: {error}",
            allowed="credentials, a region and a reachable endpoint",
            do="Check the AWS_* environment variables, or start localcloud: seatrial cloud up",
        ) from error


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`; the key may be empty."""
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc:
        raise InputError(
            "not an S3 URI", got=uri, allowed="s3://bucket/key", do="Give the full URI"
        )
    return parts.netloc, parts.path.lstrip("/")


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class S3:
    """Files in S3 by URI."""

    def __init__(self, s3: S3Client) -> None:
        self._s3 = s3

    def upload(self, path: Path, uri: str) -> str:
        """Put the file at `path` under `uri`, and return `uri`."""
        bucket, key = split_s3_uri(uri)
        with explained(f"the upload to {uri}", do=BUCKET_ADVICE):
            self._s3.upload_file(str(path), bucket, key)
        return uri

    def upload_by_content(self, path: Path, prefix_uri: str) -> str:
        """Put the file under `<prefix>/<sha256>/<name>`, once, and return that URI."""
        uri = f"{prefix_uri.rstrip('/')}/{sha256_of(path)}/{path.name}"
        return uri if self.exists(uri) else self.upload(path, uri)

    def upload_folder(self, folder: Path, prefix_uri: str) -> str:
        """Put every file under `folder` below `prefix_uri`, and return it."""
        for path in sorted(item for item in folder.rglob("*") if item.is_file()):
            self.upload(path, f"{prefix_uri.rstrip('/')}/{path.relative_to(folder).as_posix()}")
        return prefix_uri

    def put_text(self, text: str, uri: str) -> str:
        """Put `text` under `uri`, and return `uri`."""
        bucket, key = split_s3_uri(uri)
        with explained(f"the upload to {uri}", do=BUCKET_ADVICE):
            self._s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
        return uri

    def get_bytes(self, uri: str) -> bytes:
        """The object's bytes."""
        bucket, key = split_s3_uri(uri)
        with explained(f"reading {uri}", do="Check that the object is there"):
            body: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def download(self, uri: str, path: Path, *, sha256: str | None = None) -> Path:
        """Fetch `uri` to `path`; with `sha256`, InputError if the content is another."""
        bucket, key = split_s3_uri(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        with explained(f"the download of {uri}", do="Check that the object is there"):
            self._s3.download_file(bucket, key, str(path))
        if sha256 is not None and (seen := sha256_of(path)) != sha256:
            raise InputError(
                f"{uri} is not the file that was registered",
                got=f"sha256 {seen}",
                allowed=f"sha256 {sha256}",
                do="Register the model again with the file that it was validated on",
            )
        return path

    def download_folder(self, prefix_uri: str, folder: Path) -> Path:
        """Fetch every object below `prefix_uri` into `folder`."""
        base = prefix_uri.rstrip("/") + "/"
        for uri in self.uris(base):
            self.download(uri, folder / uri[len(base) :])
        return folder

    def uris(self, prefix_uri: str) -> list[str]:
        """URIs of the objects whose key starts with that of `prefix_uri`, in key order."""
        bucket, prefix = split_s3_uri(prefix_uri)
        with explained(f"listing {prefix_uri}", do=BUCKET_ADVICE):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            return [
                f"s3://{bucket}/{item['Key']}"
                for page in pages
                for item in page.get("Contents", [])
            ]

    def exists(self, uri: str) -> bool:
        """True if there is an object of exactly this URI."""
        return uri in self.uris(uri)
