"""The gateway's own figures for Prometheus: requests by endpoint, streams, and whether it follows the bus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consumer.gateway.services import Gateway

OTHER = "other"
"""What stands for every path that is no endpoint: paths are callers' words, and there is no end of them."""


class GatewayMetrics:
    """Counts the requests; what is asked of the gateway is read when the page is made."""

    def __init__(self, gateway: Gateway) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "leadart_gateway_requests",
            "HTTP requests, by endpoint, method and status.",
            ["endpoint", "method", "status"],
            registry=self.registry,
        )
        listeners = Gauge("leadart_gateway_streams", "Streams that are open.", registry=self.registry)
        listeners.set_function(lambda: gateway.broadcast.listeners)
        ready = Gauge("leadart_gateway_ready", "1 while it has read the topics up to now.", registry=self.registry)
        ready.set_function(lambda: gateway.waits_for is None)

    def page(self) -> bytes:
        """Return the figures in Prometheus's text format."""
        return generate_latest(self.registry)


class RequestCounting:
    """Counts each request once its status is sent."""

    def __init__(self, app: ASGIApp, metrics: GatewayMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and count."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                endpoint = getattr(scope.get("route"), "path_format", OTHER)
                self._metrics.requests.labels(endpoint, scope["method"], message["status"]).inc()
            await send(message)

        await self._app(scope, receive, counted)
