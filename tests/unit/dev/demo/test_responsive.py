from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from consumer.dev.demo.responsive import figure, placeholder, social_tags

EXAMPLE = Path(__file__).parents[4] / "schemas" / "examples" / "image-ready" / "v1" / "renditions.json"
NASTY = """"><script>alert('x')</script> & <b onclick="y">"""


class Elements(HTMLParser):
    """The elements of a piece of HTML, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.found if tag == name]


@pytest.fixture
def ready() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(EXAMPLE.read_text(encoding="utf-8"))["data"]
    return data


@pytest.fixture
def picture(ready: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = ready["pictures"][0]
    return first


def files(picture: dict[str, Any], shape: str) -> list[dict[str, Any]]:
    return [file for file in picture["renditions"] if file["set"] == shape]


def style(html: str) -> dict[str, str]:
    (image,) = Elements(html).all("img")
    return dict(re.findall(r"([a-z-]+):([^;]+)", image["style"]))


def test_a_browser_is_offered_each_format_the_lightest_first(ready: dict[str, Any], picture: dict[str, Any]) -> None:
    """One source a format, AVIF before WebP, each with its files from the narrowest to the widest."""
    picture["renditions"].reverse()
    sources = Elements(figure(ready, sizes="(min-width: 60rem) 40rem, 100vw")).all("source")
    heroes = {(file["media_type"], file["width"]): file["url"] for file in files(picture, "hero")}

    assert [(source["type"], source["srcset"]) for source in sources] == [
        ("image/avif", f"{heroes['image/avif', 640]} 640w, {heroes['image/avif', 960]} 960w"),
        ("image/webp", f"{heroes['image/webp', 960]} 960w"),
    ]
    assert {source["sizes"] for source in sources} == {"(min-width: 60rem) 40rem, 100vw"}


def test_a_browser_that_reads_no_avif_gets_the_widest_webp(ready: dict[str, Any], picture: dict[str, Any]) -> None:
    """The image itself is the widest file of the format that most programs read, with its size and words."""
    (image,) = Elements(figure(ready)).all("img")

    assert image["src"] == files(picture, "hero")[-1]["url"]
    assert (image["width"], image["height"], image["alt"]) == ("960", "540", ready["alt"])


def test_a_set_of_avif_alone_falls_back_to_the_picture(ready: dict[str, Any], picture: dict[str, Any]) -> None:
    """Whoever reads no AVIF is given the PNG."""
    picture["renditions"] = [file for file in picture["renditions"] if file["media_type"] == "image/avif"]
    (image,) = Elements(figure(ready)).all("img")

    assert image["src"] == picture["url"]
    assert (image["width"], image["height"]) == ("1024", "768")


def test_an_event_of_before_is_shown_too(ready: dict[str, Any], picture: dict[str, Any]) -> None:
    """Without renditions, placeholder, focal point or disclosure: the picture, and the badge, as all are AI-made."""
    for name in ("renditions", "renditions_missing", "focal_point", "thumbhash", "dominant_colour"):
        del picture[name]
    del ready["disclosure"]
    elements = Elements(figure(ready))

    assert not elements.all("source")
    assert not elements.all("figcaption")
    assert elements.all("img")[0]["src"] == picture["url"]
    assert elements.text == "AI-generated"


@pytest.mark.parametrize(
    ("options", "haste"), [({"first": True}, ("fetchpriority", "high")), ({}, ("loading", "lazy"))]
)
def test_the_first_picture_is_hurried_and_others_wait(
    ready: dict[str, Any], options: dict[str, Any], haste: tuple[str, str]
) -> None:
    """What is seen at once is fetched before other things, what is further down when it comes near."""
    (image,) = Elements(figure(ready, **options)).all("img")

    assert {name: image[name] for name in ("fetchpriority", "loading") if name in image} == dict([haste])


def test_badge_and_credit_line_are_those_of_the_event(ready: dict[str, Any]) -> None:
    """Readers see that it is AI-made, in the page's language, and the site's credit line."""
    assert Elements(figure(ready, badge="AI 生成")).text == "AI 生成" + ready["disclosure"]["credit_line"]


def test_the_editors_caption_stands_before_the_credit_line(ready: dict[str, Any]) -> None:
    """Both in one figcaption; a caption alone where the site has no credit line, nothing where it has neither."""
    credit = ready["disclosure"]["credit_line"]
    both = figure({**ready, "caption": "No ferry leaves <tonight>."})
    assert both.endswith(
        '<figcaption class="leadart-caption">No ferry leaves &lt;tonight&gt;. '
        f'<span class="leadart-credit">{credit}</span></figcaption></figure>'
    )
    alone = figure({**ready, "caption": "No ferry.", "disclosure": {"ai_generated": True}})
    assert alone.endswith('<figcaption class="leadart-caption">No ferry.</figcaption></figure>')
    assert "figcaption" not in figure({**ready, "caption": None, "disclosure": {}})


def test_texts_and_addresses_stay_what_they_are(ready: dict[str, Any], picture: dict[str, Any]) -> None:
    """Whatever an event or a caller says, no element and no attribute comes of it."""
    plain = Elements(figure(ready))
    ready["alt"] = ready["disclosure"]["credit_line"] = NASTY
    nasty = Elements(figure(ready, badge=NASTY, sizes=NASTY, address=lambda file: file["url"] + NASTY))
    tags = Elements(social_tags(ready, address=lambda file: file["url"] + NASTY))

    assert [(tag, attributes.keys()) for tag, attributes in nasty.found] == [
        (tag, attributes.keys()) for tag, attributes in plain.found
    ]
    assert nasty.all("img")[0]["alt"] == NASTY
    assert nasty.text == NASTY * 2
    assert {tag for tag, _ in tags.found} == {"meta"}
    assert {"property": "og:image:alt", "content": NASTY} in tags.all("meta")
    assert picture["url"]


@pytest.mark.parametrize("colour", ["red", "#12345", "#1234567", "#123456;position:fixed", "url(//x)"])
def test_a_colour_that_is_none_is_left_out(ready: dict[str, Any], picture: dict[str, Any], colour: str) -> None:
    """No rule of CSS can be smuggled in as a colour."""
    picture["dominant_colour"] = colour

    assert "background-color" not in style(figure(ready))


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("https://x/a b", "https://x/a%20b"),
        ("https://x/w=1,h=2/a.avif", "https://x/w=1,h=2/a.avif"),
        ("https://x/a,,", "https://x/a%2C%2C"),
        (",https://x/a", "%2Chttps://x/a"),
    ],
)
def test_an_address_does_not_end_inside_a_srcset(ready: dict[str, Any], address: str, written: str) -> None:
    """Blanks and outer commas, which end an address there, are encoded."""
    first, *_ = Elements(figure(ready, address=lambda _: address)).all("source")

    assert first["srcset"] == f"{written} 640w, {written} 960w"


@pytest.mark.parametrize("html", [figure, social_tags])
def test_an_address_that_expires_is_not_published(
    ready: dict[str, Any], picture: dict[str, Any], html: Callable[[dict[str, Any]], str]
) -> None:
    """A page outlives a presigned address: the CMS is told to copy the file and name the copy."""
    for file in (picture, *picture["renditions"]):
        file["url_expires"] = "2026-12-07T08:12:41Z"

    with pytest.raises(ValueError, match=r"pictures/\S+: its address expires, so copy the file and pass `address`"):
        html(ready)
    assert "/media/" in figure(ready, address=lambda file: f"/media/{file['sha256']}")


def test_social_networks_get_the_jpeg(ready: dict[str, Any], picture: dict[str, Any]) -> None:
    """They read neither AVIF nor, some of them, WebP: the set `social`, with its size and words."""
    (social,) = files(picture, "social")
    told = {tag.get("property") or tag["name"]: tag["content"] for tag in Elements(social_tags(ready)).all("meta")}

    assert told == {
        "og:image": social["url"],
        "og:image:type": "image/jpeg",
        "og:image:width": "1024",
        "og:image:height": "538",
        "og:image:alt": ready["alt"],
        "twitter:card": "summary_large_image",
    }


def test_without_a_social_set_networks_get_the_picture(ready: dict[str, Any], picture: dict[str, Any]) -> None:
    """A PNG of the wrong shape beats no picture."""
    picture["renditions"] = files(picture, "hero")

    assert f'content="{picture["url"]}"' in social_tags(ready)


def test_the_placeholder_shows_the_part_that_the_crop_shows(ready: dict[str, Any], picture: dict[str, Any]) -> None:
    """The ThumbHash is of the whole picture: it is enlarged, and moved under the crop."""
    picture["renditions"] = [{**files(picture, "hero")[-1], "crop": {"x": 512, "y": 96, "width": 256, "height": 144}}]
    rules = style(figure(ready))

    assert (rules["background-size"], rules["background-position"]) == ("400% 533.33%", "66.67% 15.38%")
    assert rules["background-color"] == picture["dominant_colour"]


@pytest.mark.parametrize(
    ("point", "position"),
    [((0.5, 0.5), "50% 50%"), ((0.41, 0.55), "41% 56.67%"), ((0, 0), "0% 0%"), ((1, 1), "100% 100%")],
)
def test_css_that_crops_keeps_the_focal_point(
    ready: dict[str, Any], picture: dict[str, Any], point: tuple[float, float], position: str
) -> None:
    """The point is told of the file that is shown, never outside of it."""
    picture["focal_point"] = {"x": point[0], "y": point[1], "source": "editor"}

    assert style(figure(ready))["object-position"] == position


def test_the_placeholder_is_a_small_picture(picture: dict[str, Any]) -> None:
    """A ThumbHash becomes an opaque PNG of the picture's shape, in a few KB of text."""
    address = placeholder(picture["thumbhash"])
    with Image.open(BytesIO(base64.b64decode(address.removeprefix("data:image/png;base64,")))) as image:
        image.load()

    assert (image.mode, max(image.size)) == ("RGB", 32)
    assert len(address) < 4000


@pytest.mark.parametrize("text", ["", "AAAA", "no base64!", base64.b64encode(b"\0\0\x80" + bytes(20)).decode()])
def test_what_is_no_thumbhash_is_refused(text: str) -> None:
    """Too short, not base64, or of a transparent picture, which leadart never makes."""
    with pytest.raises(ValueError, match=re.compile("ThumbHash|base64|alphabet|padding", re.IGNORECASE)):
        placeholder(text)
