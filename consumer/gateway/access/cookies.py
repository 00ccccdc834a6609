"""The session's cookie, and the check that no other site's page sends it along with a change."""

from urllib.parse import urlsplit

from fastapi import Request, Response

from consumer.gateway.access.grants import SignedGrant
from consumer.gateway.problems import Problem

CUSTOM_HEADER = "x-requested-with"
"""A page of another origin cannot send it without asking first, which is refused: any value will do."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def session_cookie(request: Request) -> str | None:
    """Return the session's cookie."""
    return request.cookies.get(_name(secure=True)) or request.cookies.get(_name(secure=False))


def set_session_cookie(request: Request, response: Response, session: SignedGrant, url: str | None) -> None:
    """Have the browser keep the session; scripts cannot read it, and no other site's page has it sent."""
    secure = is_secure(request, url)
    response.set_cookie(
        _name(secure=secure),
        session.text,
        expires=session.until,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def drop_session_cookie(response: Response) -> None:
    """Have the browser forget the session."""
    for secure in (True, False):
        response.delete_cookie(_name(secure=secure), path="/", secure=secure, httponly=True, samesite="strict")


def is_secure(request: Request, url: str | None) -> bool:
    """Return whether the browser speaks TLS, to the gateway or to the proxy before its public address."""
    return "https" in {request.url.scheme, urlsplit(url or "").scheme}


def check_same_origin(request: Request, url: str | None) -> None:
    """Check that a change comes from a page of here, by what browsers say of each request. Raises `Problem` 403."""
    if request.method in _SAFE_METHODS:
        return
    refuse_other_origin(request, url)
    if not {"sec-fetch-site", "origin", CUSTOM_HEADER} & set(request.headers):
        raise Problem(
            403,
            "forbidden",
            "A change by session cookie needs the header Origin or Sec-Fetch-Site, as browsers send them, or "
            "X-Requested-With.",
        )


def refuse_other_origin(request: Request, url: str | None) -> None:
    """Check that no page of another origin sent this. Raises `Problem` 403."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    foreign = site != "same-origin" if site is not None else origin is not None and origin not in _own(request, url)
    if foreign:
        raise Problem(403, "forbidden", "A page of another origin may not use this session: use a token.")


def _own(request: Request, url: str | None) -> set[str]:
    """Return the gateway's origins: the one that was called, and its public one."""
    addresses = [urlsplit(address) for address in (str(request.base_url), url or "")]
    return {f"{address.scheme}://{address.netloc}" for address in addresses if address.netloc}


def _name(*, secure: bool) -> str:
    """Return the cookie's name: with the prefix, browsers take it from nobody but this host, over TLS."""
    return "__Host-leadart" if secure else "leadart"
