"""Settings of the object store."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, HttpUrl, SecretStr

from consumer.settings.secrets import WithSecrets

_NOT_IN_ADDRESSES = {
    "username": "a user",
    "password": "a password",
    "query": "a query (?)",
    "fragment": "a fragment (#)",
}


class StorageSettings(WithSecrets):
    """Object store."""

    endpoint_url: HttpUrl | None = Field(None, description="S3 endpoint; default: Amazon's, for the region.")
    region: str = Field("us-east-1", description="S3 region.")
    bucket: str = Field("leadart", min_length=3, max_length=63, description="Bucket for pictures.")
    manifest_bucket: str | None = Field(
        None,
        description="Bucket for manifests, which hold prompts and are never public; default: the pictures' bucket.",
    )
    access_key_id: str | None = Field(None, description="S3 access key; default: the usual AWS chain.")
    secret_access_key: SecretStr | None = Field(None, description="S3 secret key.")
    secret_access_key_file: Path | None = Field(
        None, description="File with the S3 secret key, instead of the variable."
    )
    public_base_url: HttpUrl | None = Field(
        None, description="Public base URL of the pictures, such as a CDN's; default: presigned URLs are announced."
    )
    presigned_seconds: int = Field(604_800, ge=60, le=604_800, description="Validity of a presigned URL.")
    server_side_encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        None, description="Encryption to ask for with every object, for buckets whose policy demands it."
    )
    kms_key_id: str | None = Field(None, description="KMS key of that encryption; default: the bucket's.")
    purge_url: HttpUrl | None = Field(
        None,
        description="Hook that is told which addresses a CDN has to forget when pictures are withdrawn: they are "
        'posted to it as `{"urls": [...]}`.',
    )
    purge_token: SecretStr | None = Field(None, description="Token that the purge hook is given, as a bearer's.")
    purge_token_file: Path | None = Field(None, description="File with the purge token, instead of the variable.")
    timeout_seconds: float = Field(20.0, ge=1, le=300, description="Timeout of every call to the store.")
    connections: int = Field(32, ge=1, le=1024, description="Size of the connection pool.")

    def problems(self) -> Mapping[str, str]:
        """Return the addresses that keys of objects cannot follow: every subscriber would get them as they are."""
        return {
            name: f"must be an address without {' and '.join(wrong)}: keys of objects are appended to it"
            for name, address in (("endpoint_url", self.endpoint_url), ("public_base_url", self.public_base_url))
            if address is not None
            and (wrong := [what for part, what in _NOT_IN_ADDRESSES.items() if getattr(address, part) is not None])
        }
