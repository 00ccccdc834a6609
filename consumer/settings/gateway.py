"""Settings of the HTTP gateway."""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

from pydantic import Field, SecretStr

from consumer.settings.secrets import WithSecrets

SECRET_CHARACTERS = 32
"""Fewest characters of a secret that signs: those of 192 random bits as base64."""


class GatewaySettings(WithSecrets):
    """HTTP gateway and desk."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8480, ge=0, le=65_535, description="Port to listen on; 0: a free one.")
    keys_file: Path | None = Field(
        None,
        description="File with the hashes of the API keys, which `leadart keys` writes; without it nobody gets in.",
    )
    secret: SecretStr | None = Field(
        None,
        description="Signs sessions and short-lived tokens; the same for all gateways of a site, at least 32 "
        "characters. Default: a random one, so that sessions end with the process.",
    )
    secret_file: Path | None = Field(None, description="File with LEADART_GATEWAY__SECRET.")
    history_days: float = Field(
        7.0, gt=0, le=365, description="How far back requests and outcomes are read at the start, and kept."
    )
    history_mib: int = Field(
        256, ge=8, le=65_536, description="Most memory for them; beyond it the oldest articles are let go."
    )
    url: str | None = Field(
        None,
        description="The gateway's public address, for links in its answers and for programs that call it; default: "
        "that of the request.",
    )
    connections: int = Field(
        1000,
        ge=10,
        le=60_000,
        description="Most connections at a time; one that asks nothing makes room for another.",
    )
    proxies: str = Field(
        "",
        description="Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, "
        "such as `10.0.0.0/8`; several with commas between them.",
    )
    tls_certfile: Path | None = Field(
        None,
        description="Certificate chain (PEM), to speak TLS. Default: plain HTTP, for a proxy or this machine.",
    )
    tls_keyfile: Path | None = Field(None, description="Its private key (PEM).")
    requests_per_second: float | None = Field(
        None,
        gt=0,
        le=100_000,
        description="Requests a second that each source may send this gateway, with twice as many at once; a key may "
        "have a rate of its own. Default: no limit.",
    )
    pictures_per_day: int | None = Field(
        None,
        ge=0,
        le=10_000_000,
        description="Pictures that each source may ask for from 00:00 UTC to 24:00, counted from the bus; a key may "
        "have a number of its own. Default: no limit.",
    )
    oidc_issuer: str | None = Field(
        None,
        description="OpenID Connect issuer whose tokens are taken as `Authorization: Bearer`, as they name it, such as "
        "`https://login.example.org/realms/news`.",
    )
    oidc_audience: str | None = Field(None, description="Audience that its tokens have to name.")
    oidc_source: str | None = Field(
        None, min_length=1, max_length=200, description="CloudEvents source of everybody who has such a token."
    )
    oidc_source_claim: str | None = Field(
        None, description="Claim with the caller's source instead, by its name or a path such as `leadart.source`."
    )
    oidc_scope_claim: str = Field(
        "scope", description="Claim with the caller's scopes: words, or a list, such as `realm_access.roles`."
    )
    oidc_scope_prefix: str = Field(
        "leadart:", description="What the scopes have before their names there: `leadart:choose` gives `choose`."
    )
    oidc_name_claim: str = Field("preferred_username", description="Claim with the caller's name; else `sub`.")
    cors_origins: str = Field(
        "",
        description="Origins whose pages may call the API with a token, such as `https://cms.example.org`; several "
        "with commas between them.",
    )
    task_api_source: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="CloudEvents source of what comes to the task API (`/api/v1/generate`) without a key; default: a "
        "key is needed there, too.",
    )
    style_samples: Path | None = Field(
        None,
        description="Folder with the site's own sample pictures of its styles, each a file named as the preset, such "
        "as `oil_painting.webp`; default: the newest picture in each style is its sample.",
    )
    key: SecretStr | None = Field(
        None, description="An API key, for programs that call the gateway; `leadart dev` writes one. Not read by it."
    )

    @property
    def allowed_origins(self) -> list[str]:
        """The origins of `cors_origins`."""
        return [origin for part in self.cors_origins.split(",") if (origin := part.strip().rstrip("/"))]

    @property
    def trusted_proxies(self) -> list[str]:
        """The addresses and networks of `proxies`."""
        return [proxy for part in self.proxies.split(",") if (proxy := part.strip())]

    def problems(self) -> Mapping[str, str]:
        """Return what is wrong with the secret, the proxies, the TLS files and the issuer."""
        problems = {}
        if self.secret is not None and len(self.secret.get_secret_value()) < SECRET_CHARACTERS:
            problems["secret"] = (
                f"give at least {SECRET_CHARACTERS} characters, such as `openssl rand -base64 32` prints"
            )
        if wrong := [proxy for proxy in self.trusted_proxies if not _is_network(proxy)]:
            problems["proxies"] = f"{wrong[0]!a} is no address and no network: write 10.0.0.7 or 10.0.0.0/8"
        if self.tls_certfile is None and self.tls_keyfile is not None:
            problems["tls_certfile"] = "a private key is set without its certificate"
        if self.tls_keyfile is None and self.tls_certfile is not None:
            problems["tls_keyfile"] = "a certificate is set without its private key"
        return problems | self._oidc_problems()

    def _oidc_problems(self) -> dict[str, str]:
        if self.oidc_issuer is None:
            return {}
        problems = {}
        if not self.oidc_issuer.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
            problems["oidc_issuer"] = "must be an https address: keys that anybody on the way can change prove nothing"
        if not self.oidc_audience:
            problems["oidc_audience"] = "name it: tokens that were made for another service must not open this one"
        if (self.oidc_source is None) == (self.oidc_source_claim is None):
            problems["oidc_source"] = "set this or OIDC_SOURCE_CLAIM: one of them says whose articles a caller sees"
        return problems


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
