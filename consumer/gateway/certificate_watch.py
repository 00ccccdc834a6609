"""The certificate as it is now: a renewed one is shown to the next connection."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from cryptography import x509

log = structlog.get_logger(__name__)


class WatchedCertificate:
    """A certificate chain and its private key, in use by a server's context."""

    def __init__(self, context: ssl.SSLContext, certificate: Path, key: Path) -> None:
        self.files: Sequence[Path] = (certificate, key)
        self._context = context

    async def read(self) -> None:
        """Use the two if they can be used together; else the earlier ones stay."""
        try:
            expires = await asyncio.to_thread(self._load)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            log.warning(
                "gateway_certificate_invalid",
                files=[str(file) for file in self.files],
                error=str(error),
                remedy="correct the files: until then the earlier certificate is used",
            )
            return
        log.info("gateway_certificate_read", expires=expires)

    def _load(self) -> str:
        """Load copies, once they were tried: a context that fails to load them is left with half of them."""
        contents = [file.read_bytes() for file in self.files]
        with TemporaryDirectory() as folder:  # it and what is in it are the owner's alone
            certificate, key = Path(folder, "certificate.pem"), Path(folder, "key.pem")
            for copy, content in zip((certificate, key), contents, strict=True):
                copy.write_bytes(content)
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._context):
                context.load_cert_chain(certificate, key, password="")
        return x509.load_pem_x509_certificates(contents[0])[0].not_valid_after_utc.isoformat()
