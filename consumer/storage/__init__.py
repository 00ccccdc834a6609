"""Pictures and their manifests on any S3 that supports conditional writes.

A picture's object is named by the SHA-256 of its bytes: written once, immutable, cached for ever. A manifest is named
by its recipe's digest and written last, as the commit point. The write is conditional, so one of several writers wins
and all announce what the winner wrote. A manifest that is unreadable, or names an object that is gone, is replaced by
the next `keep`, on condition that it has not changed since it was read.

Renditions are objects of the same kind; what was made of a master for one order has a manifest of its own. An index
tells the recipe of a picture by its SHA-256.
"""

from consumer.storage.manifest import Manifest, manifest_key, stored_picture
from consumer.storage.policy import public_policy
from consumer.storage.rendition_manifest import (
    RenditionManifest,
    rendition_manifest_key,
    renditions_prefix,
    stored_renditions,
)
from consumer.storage.s3 import ADDRESSES_END_EARLY, S3Store

__all__ = [
    "ADDRESSES_END_EARLY",
    "Manifest",
    "RenditionManifest",
    "S3Store",
    "manifest_key",
    "public_policy",
    "rendition_manifest_key",
    "renditions_prefix",
    "stored_picture",
    "stored_renditions",
]
