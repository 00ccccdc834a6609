"""Pictures and their manifests on any S3 that honours conditional writes.

A picture is an object named by the SHA-256 of its bytes: written once, immutable, cached for ever. A manifest is named
by the digest of its recipe and written last: it is the commit point. Its condition makes one of several writers the
winner, and all of them announce what the winner wrote. A manifest that promises an object which is gone, or that cannot
be read, stands in nobody's way: the next `keep` replaces it, on the condition that it is still the one that was read.
"""

from __future__ import annotations

from consumer.storage.manifest import Manifest, manifest_key, stored_pictures
from consumer.storage.policy import public_policy
from consumer.storage.s3 import ADDRESSES_END_EARLY, S3Store

__all__ = ["ADDRESSES_END_EARLY", "Manifest", "S3Store", "manifest_key", "public_policy", "stored_pictures"]
