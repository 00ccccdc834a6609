from __future__ import annotations

import re
from urllib.parse import urljoin

from tests.support.gateway_server import serve_gateway

ORIGIN = "https://cms.example.org"


async def test_pages_of_allowed_origins_may_call_the_api() -> None:
    """Preflight and answer name the origin, without credentials; any other origin is named in neither."""
    async with serve_gateway(cors_origins=f"{ORIGIN}/, https://other.example.org") as served:
        client = served.client(served.key())
        asking = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        for origin, allowed in ((ORIGIN, ORIGIN), ("https://evil.example.org", None)):
            async with client.options("/v1/images", headers={"origin": origin, **asking}) as before:
                assert before.headers.get("access-control-allow-origin") == allowed
            async with client.get("/v1/articles", headers={"origin": origin}) as answer:
                assert answer.headers.get("access-control-allow-origin") == allowed
                assert "access-control-allow-credentials" not in answer.headers


async def test_modules_may_be_imported_by_any_page() -> None:
    """The panel's modules, and all that they import, hold no secret: any origin may load them, without a key."""
    async with serve_gateway() as served:
        client = served.client()
        seen: set[str] = set()
        waiting = ["/panel/leadart-picker.js"]
        while waiting:
            path = waiting.pop()
            async with client.get(path, headers={"origin": "https://any.example.org"}) as answer:
                assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")
                text = await answer.text()
            seen.add(path)
            imported = re.findall(r'^(?:import|export) .*?from "(\..*?)"', text, re.MULTILINE)
            waiting += sorted({urljoin(path, one) for one in imported} - seen - set(waiting))
        assert "/desk/api.js" in seen
