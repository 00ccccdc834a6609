"""The purge hook: a CDN is told which addresses to forget."""

from collections.abc import Sequence
from typing import Final

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout

from consumer.errors import Overloaded
from consumer.settings import StorageSettings
from schemas import Reason

BATCH: Final = 100
"""Addresses of one call."""

_SECONDS = 20.0
_SAID = 200  # characters of a refusal that are told
_SETTINGS = "check LEADART_STORAGE__PURGE_URL and LEADART_STORAGE__PURGE_TOKEN"


class PurgeHook:
    """Posts `{"urls": [...]}` to the address that is configured, with the token as a bearer's, in batches."""

    def __init__(self, settings: StorageSettings) -> None:
        self._url = settings.purge_url
        self._token = settings.purge_token

    @property
    def configured(self) -> bool:
        """Return whether there is anybody to tell."""
        return self._url is not None

    async def purge(self, addresses: Sequence[str]) -> None:
        """Tell of addresses. Raises `Overloaded` until every batch is answered with a status of 200 to 299."""
        token = self._token
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        try:
            # Environment: a CDN is outside, perhaps behind the site's proxy.
            async with ClientSession(headers=headers, timeout=ClientTimeout(_SECONDS), trust_env=True) as session:
                for begin in range(0, len(addresses), BATCH):
                    await self._post(session, addresses[begin : begin + BATCH])
        # A timeout is an OSError.
        except (ClientError, OSError) as error:
            reached = f"the purge hook cannot be reached: {type(error).__name__}: {error}"
            raise Overloaded(Reason.STORE_UNAVAILABLE, f"{reached}; {_SETTINGS}") from error

    async def _post(self, session: ClientSession, addresses: Sequence[str]) -> None:
        # No redirects: a POST that is redirected becomes a GET.
        async with session.post(str(self._url), json={"urls": list(addresses)}, allow_redirects=False) as answer:
            if not 200 <= answer.status < 300:
                raise await _refusal(answer)


async def _refusal(answer: ClientResponse) -> Overloaded:
    said = " ".join((await answer.text(errors="replace")).split())[:_SAID]
    reason = Reason.STORE_UNAVAILABLE if answer.status >= 500 or answer.status == 429 else Reason.MISCONFIGURED
    return Overloaded(reason, f"the purge hook answers {answer.status} ({said or 'no text'}); {_SETTINGS}")
