from __future__ import annotations

from consumer.gateway.access.principal import Scope
from tests.support.gateway_server import serve_gateway


async def test_requests_are_counted_by_endpoint() -> None:
    """An endpoint has one series however many articles it is asked about, and all that is none shares another."""
    async with serve_gateway() as served:
        operator = served.client(served.key(scopes=[Scope.ADMIN]))
        for path in ("/v1/articles/a-1", "/v1/articles/a-2", "/nothing", "/%00", "/v1/articles"):
            async with operator.get(path):
                pass
        async with operator.get("/metrics") as answer:
            page = await answer.text()
            assert answer.content_type == "text/plain"
    assert 'leadart_gateway_requests_total{endpoint="/v1/articles/{article_id}",method="GET",status="404"} 2.0' in page
    assert 'endpoint="/v1/articles",method="GET",status="200"} 1.0' in page
    assert 'endpoint="other",method="GET",status="404"} 2.0' in page
    assert "leadart_gateway_streams 0.0" in page
    assert "leadart_gateway_ready 1.0" in page


async def test_only_an_operators_key_reads_them() -> None:
    """Without a key 401, with one of a source 403."""
    async with serve_gateway() as served:
        async with served.client().get("/metrics") as answer:
            assert answer.status == 401
        async with served.client(served.key()).get("/metrics") as answer:
            assert answer.status == 403
