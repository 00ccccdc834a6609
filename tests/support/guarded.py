"""A Kafka broker with authentication: the embedded broker with TLS, SASL and an authorizer."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path
from time import time

from consumer.dev.embedded import KafkaServer
from consumer.dev.embedded.server import free_ports
from tests.support.certificates import Authority

CLIENT = "leadart-worker"
"""The name in the client certificate and the token that the broker accepts."""

ADMIN = "admin"
"""The user with all rights."""


def password_of(name: str) -> str:
    """Return a user's password, in a form that no log contains by chance."""
    return f"hush-{name}-hush"


class GuardedKafka(KafkaServer):
    """The embedded broker with one port per security protocol; its open port stays for setup and inspection.

    PLAIN knows `members` and `ADMIN`, SCRAM only `ADMIN`, each with the password `password_of(name)`. `ADMIN` has all
    rights, and so have clients on the open port, with the client certificate, or with a token for `CLIENT`.
    """

    def __init__(self, folder: Path, members: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._members = (ADMIN, *members)
        self.authority = Authority(folder, "authority")
        self._identity = self.authority.issue("broker")
        super().__init__(folder)

    def _choose_ports(self) -> None:
        super()._choose_ports()
        taken = {self._port, self._controller_port}
        ports = [port for port in free_ports(6) if port not in taken]
        self.tls, self.mtls, self.sasl, self.sasl_tls = (f"127.0.0.1:{port}" for port in ports[:4])

    def _format_command(self) -> list[str]:
        mechanisms = ("SCRAM-SHA-256", "SCRAM-SHA-512")
        scram = [f"--add-scram={mechanism}=[name={ADMIN},password={password_of(ADMIN)}]" for mechanism in mechanisms]
        return [*super()._format_command(), *scram]

    def _properties(self) -> str:
        ways = {"TLS": self.tls, "MTLS": self.mtls, "SASL": self.sasl, "SASLTLS": self.sasl_tls}
        listeners = ",".join(f"{name}://{address}" for name, address in ways.items())
        superusers = ";".join(f"User:{name}" for name in ("ANONYMOUS", CLIENT, f"CN={CLIENT}", ADMIN))
        login = "org.apache.kafka.common.security"
        plain = " ".join(f'user_{name}="{password_of(name)}"' for name in self._members)
        modules = {
            "plain": f"{login}.plain.PlainLoginModule required {plain};",
            "scram-sha-256": f"{login}.scram.ScramLoginModule required;",
            "scram-sha-512": f"{login}.scram.ScramLoginModule required;",
            "oauthbearer": f'{login}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="x";',
        }
        jaas = "".join(
            f"listener.name.{way}.{mechanism}.sasl.jaas.config={module}\n"
            for way in ("sasl", "sasltls")
            for mechanism, module in modules.items()
        )
        return (
            super()._properties()
            + jaas
            + _GUARDED.format(
                listeners=f"PLAINTEXT://127.0.0.1:{self._port},{listeners}",
                controller=f"CONTROLLER://127.0.0.1:{self._controller_port}",
                mechanisms=",".join(name.upper() for name in modules),
                identity=self._identity.both,
                authority=self.authority.certificate,
                superusers=superusers,
            )
        )


def token(subject: str, seconds: float = 3600) -> str:
    """Return an unsecured JSON web token, which Kafka accepts if no other validator is set; for tests only."""
    now = time()
    parts = ({"alg": "none"}, {"sub": subject, "iat": now - 1, "exp": now + seconds})
    return ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


_GUARDED = """\
listeners={listeners},{controller}
advertised.listeners={listeners}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,MTLS:SSL,SASL:SASL_PLAINTEXT,\
SASLTLS:SASL_SSL
sasl.enabled.mechanisms={mechanisms}
ssl.keystore.type=PEM
ssl.keystore.location={identity}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
listener.name.mtls.ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users={superusers}
"""
