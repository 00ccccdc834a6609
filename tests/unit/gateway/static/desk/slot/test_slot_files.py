"""The names and addresses of a picture's files, and the HTML to copy."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.support.desk_modules import DESK, called

ROOT = Path(__file__).resolve().parents[6]
EXAMPLES = ROOT / "schemas" / "examples" / "image-ready" / "v1"
ORIGIN = "https://gateway.example.net"


def ready(*, expires: str | None) -> dict[str, Any]:
    """Return the example's data, with addresses that expire then."""
    data: dict[str, Any] = json.loads((EXAMPLES / "renditions.json").read_text(encoding="utf-8"))["data"]
    for picture in data["pictures"]:
        for file in (picture, *picture["renditions"]):
            file["url_expires"] = expires
    return data


def test_addresses_that_expire_go_through_the_gateway() -> None:
    """Every address in the HTML lasts: the store's own where it does, else the gateway's redirect."""
    lasting, expiring = ready(expires=None), ready(expires="2026-12-01T00:00:00Z")
    calls = [("pictureHtml", [data, {"origin": ORIGIN, "shape": "hero"}]) for data in (lasting, expiring)]
    direct, redirected = called("slot/snippet.js", calls)

    (picture,) = expiring["pictures"]
    addresses = re.findall(r"https?://[^\s\"]+", redirected)
    assert addresses
    assert all(each.startswith(f"{ORIGIN}/v1/pictures/{picture['sha256']}/hero-") for each in addresses)
    assert picture["renditions"][0]["url"] in direct
    assert ORIGIN not in direct


def test_the_html_is_what_the_program_to_copy_makes() -> None:
    """slot/responsive.js is docs/clients/responsive.mjs letter by letter, but for where ThumbHash is."""
    program = (ROOT / "docs" / "clients" / "responsive.mjs").read_text(encoding="utf-8")

    assert (DESK / "slot" / "responsive.js").read_text(encoding="utf-8") == program.replace(
        'from "thumbhash"', 'from "../vendor/thumbhash.js"'
    )


def test_the_widest_use_comes_first() -> None:
    """Of a picture's shapes the site's first wide set, whatever order its files have; unknown ones come last."""
    sets = [{"name": "square", "ratio": [1, 1]}, {"name": "hero", "ratio": [16, 9]}, {"name": "thumb", "ratio": [3, 2]}]
    calls = [(["old", "thumb", "square", "hero"], sets), (["thumb"], sets)]
    assert called("slot/snippet.js", [("shapesInOrder", list(call)) for call in calls]) == [
        ["hero", "thumb", "square", "old"],
        ["thumb"],
    ]


def test_the_caption_is_copied_too() -> None:
    """What an editor wrote stands in the figcaption."""
    data = {**ready(expires=None), "caption": "No ferry leaves tonight."}
    (html,) = called("slot/snippet.js", [("pictureHtml", [data, {"origin": ORIGIN, "shape": "hero"}])])
    assert "No ferry leaves tonight. <span" in html


def test_a_file_on_disk_says_what_it_is() -> None:
    """Headline, slot and rendition, in any script; no path, no blank, and one name for each file."""
    article = {"id": "a-1", "headline": "Sturm: »Hafen / Fähren« ../.. \u0000 geschlossen!"}
    picture = ready(expires=None)["pictures"][0]
    files = [picture, *picture["renditions"]]
    found = called("slot/files.js", [("downloadName", [article, "hero", file]) for file in files])

    assert found[0] == "sturm-hafen-fähren-geschlossen-hero.png"
    assert "sturm-hafen-fähren-geschlossen-hero-960.webp" in found
    assert len(set(found)) == len(files)
    assert called("slot/files.js", [("downloadName", [{"id": "a-1", "headline": "风暴"}, "hero", picture])]) == [
        "风暴-hero.png"
    ]
    nameless = called("slot/files.js", [("downloadName", [{"id": "news/1042"}, "inline-2", picture])])
    assert nameless == ["news-1042-inline-2.png"]
