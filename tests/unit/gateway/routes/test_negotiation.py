from __future__ import annotations

import pytest

from consumer.gateway.routes.negotiation import preferred

ALL = ["image/webp", "image/jpeg", "image/avif"]
CHROMIUM = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SAFARI_13 = "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"


@pytest.mark.parametrize(
    ("accept", "best"),
    [
        (CHROMIUM, "image/avif"),
        ("image/webp,*/*", "image/webp"),
        ("*/*", "image/jpeg"),
        (SAFARI_13, "image/jpeg"),
        ("image/avif;q=0.5, image/webp;q=0.9", "image/webp"),
        ("image/avif;q=0, image/*", "image/jpeg"),
        ("image/avif;q=0.1, image/*", "image/jpeg"),
        ("IMAGE/WEBP ; Q=1", "image/webp"),
        ("image/webp;q=much", "image/webp"),
        ("application/json", "image/jpeg"),
        ("", "image/jpeg"),
    ],
)
def test_a_caller_gets_what_it_likes_best(accept: str, best: str) -> None:
    """What is named comes before what a wildcard covers; programs that name nothing get what all can show."""
    assert preferred(ALL, accept) == best


def test_what_there_is_decides() -> None:
    """A caller is given a format it does not name rather than nothing."""
    assert preferred(["image/avif"], "image/webp") == "image/avif"
    assert preferred(["application/octet-stream"], CHROMIUM) == "application/octet-stream"
