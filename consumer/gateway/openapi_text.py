"""The words and examples of the OpenAPI document."""

from typing import Any, Final

_DIGEST: Final = "3f2a4f5d6c705b0f2f0e8f394c1c9d1e3f2a4f5d6c705b0f2f0e8f394c1c9d1e"

DESCRIPTION: Final = """\
Ask for an article's pictures, follow them while they are painted, choose, crop and withdraw them.

What is published here is what a CMS publishes on the bus: bodies are the data of the contract's events, errors name the
same field for the same reason, and each request ends in exactly one outcome. Send an API key as
`Authorization: Bearer …`; it sees the articles of its own source.

- `Idempotency-Key` makes a repeat safe: it publishes nothing, and gets the first answer.
- `GET /v1/events` sends each change; `Last-Event-ID` goes on without a gap, after any interruption.
- Errors are problems (RFC 9457): `reason` is a stable code, `field` is what to correct.
- Fields that the contract does not know are ignored, and named in the answer.
"""

TAGS: Final = [
    {"name": "images", "description": "Ask for pictures, and see what becomes of it."},
    {"name": "events", "description": "Changes as server-sent events."},
    {"name": "articles", "description": "Articles and slots, and what editors decide about them."},
    {"name": "pictures", "description": "Addresses of pictures that last."},
    {"name": "styles", "description": "The site's style presets."},
    {"name": "renditions", "description": "The site's rendition sets."},
    {"name": "preferences", "description": "What an editor took last, to begin with next time."},
    {"name": "session", "description": "The desk's session."},
    {"name": "tokens", "description": "Short-lived tokens, for pages of other origins."},
    {"name": "task API", "description": "Files of the task API, which `/api/v1/openapi.json` describes."},
    {"name": "health", "description": "Probes."},
]

BODIES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "ImageRequest": (
        "ImageRequest",
        {
            "a save": {"article": {"id": "a-1", "revision": 1, "headline": "Storm over the harbour"}},
            "an editor waits": {
                "article": {"id": "a-1", "revision": 2, "headline": "Storm over the harbour"},
                "brief": {"prompt": "A lighthouse in a storm"},
                "style": {"preset": "oil_painting"},
                "output": {"variants": 4},
                "priority": "interactive",
            },
            "flat fields": {"prompt": "A lighthouse in a storm", "num_images": 2, "style_preset": "anime"},
        },
    ),
    "Choice": (
        "Choice",
        {"a picture": {"picture": {"sha256": _DIGEST}, "alt": "Ferries."}, "let go": {"picture": None}},
    ),
    "Recrop": ("Recrop", {"a point": {"picture": {"sha256": _DIGEST}, "focal_point": {"x": 0.3, "y": 0.5}}}),
    "Approval": ("Approval", {"an approval": {"approved_by": "Ada"}}),
    "Withdrawal": ("Withdrawal", {"a withdrawal": {"reason": "The person shown asked for it."}}),
    "SectionPreferences": (
        "SectionPreferences",
        {"a section": {"section": "Sport", "values": {"style": "oil_painting", "variants": 3}}},
    ),
    "TokenRequest": (
        "TokenRequest",
        {"for an article": {"articles": ["a-1"], "scopes": ["publish", "read", "choose"], "seconds": 3600}},
    ),
    "SignIn": ("SignIn", {"a key": {"key": "leadart_…"}}),
    "Restoration": ("Restoration", {"a restoration": {}}),
}
"""Schema and examples of each body."""

_IMAGE: Final = '{"id":"6a1e…","kind":"request","state":"painting","final":false,"article":{"id":"a-1","revision":1},…}'

EVENT_STREAM: Final = {
    "description": "`event: image` has a new state, and an `id` to go on from; `event: progress` may be missed. The "
    "data of both is an `ImageSummary` as JSON. `event: reset` says that changes since the last event id are no longer "
    "known: load the articles again. A comment is sent when nothing happens.",
    "content": {
        "text/event-stream": {
            "schema": {"type": "string", "contentMediaType": "text/event-stream"},
            "examples": {
                "a change": {"value": f"event: image\nid: o0-12_r0-15\nretry: 1000\ndata: {_IMAGE}\n\n"},
            },
        }
    },
}
"""The answer of a stream. OpenAPI 3.1 has no words for single events."""
