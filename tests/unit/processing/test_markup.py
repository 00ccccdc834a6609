"""`consumer.processing.markup`: what a reader sees of a CMS's text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.processing.cleaning import clean
from consumer.processing.markup import visible_text

PLAIN = [
    "3 < 5 & a > b",
    "if x<y",
    "a<b and c>d",
    "x<y z=3",
    "AT&T",
    "R&D;",
    "C++ <vector>",
    "std::vector<int> v",
    "$4.20",
    "€1,000",
    "50 %",
    "https://example.org/?a=1&copy=2&lt=3",
    "<https://example.org:80/a>",
    "<localhost:8080>",
    "<ann@example.org>",
    "<3",
    "</3",
    "<- ->",
    "{x}",
    "“He [Trump] said”",
    "[sic]",
    "[...]",
    "[1]",
    "array[i]",
    "[Update: 3 pm]",
    "[LIVE]",
    "[Video]",
    "[co-founder]",
    "[n=12]",
    "headers[MARK_OF]",
    "rows[in_flight]",
    "[MARK_OF]",
    "[docs/](docs/)",
    "[0-9]{{1,12}}",
    "{{",
    "100%}",
    "台风逼近港口",
    "<台风>",
    "नमस्ते",
    "👩‍🚒 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "می‌بارد",
]
ELEMENTS = [
    "p",
    "div",
    "b",
    "a",
    "h1",
    "td",
    "o:p",
    "st1:City",
    "w:View",
    "amp-img",
    "my-card",
    "font",
    "iframe",
    "svg",
    "style",
]
ATTRIBUTES = ["", " class=x", ' title="3 > 2"', " w:st='on'", ' data-x="[a]"', " async src=a.js", " /"]
UNREAD = [
    "style",
    "script",
    "template",
    "noscript",
    "iframe",
    "object",
    "svg",
    "head",
    "xml",
    "audio",
    "video",
    "figcaption",
    "STYLE",
    "Script",
]
CONTENT = [
    "SECRET",
    "{",
    "}",
    "<b>",
    "</p>",
    "<",
    ">",
    "&lt;",
    "-->",
    "<!--x-->",
    "if (a<b) {",
    '"',
    "'",
    " ",
    "[a b=1]",
]
CODES = [
    '[{name} ids="1,2"]',
    "[{name} id=3]",
    "[{name} /]",
    '[{name} title="a b" /]',
    "[{name} https://example.org/v]",
    "[{name}]https://example.org/v[/{name}]",
    "[my_{name}]",
    '{{{{< {name} src="x" >}}}}',
    '{{{{<{name} src="x">}}}}',
    "{{{{% {name} %}}}}",
    "{{{{ {name}.title }}}}",
    "{{{{{{ {name} }}}}}}",
    '{{% {name} "x" %}}',
    "<%= {name} > 1 %>",
    '<?php {name}("a > b"); ?>',
    '[[{{"fid":"7","{name}":[1,2]}}]]',
]
names = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True).filter(lambda name: name != "caption")
words = st.lists(st.sampled_from(["Ferries", "stay", "in", "port", "渡轮", "3 < 5"]), min_size=1, max_size=4).map(
    " ".join
)


@given(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=6).map(" ".join))
def test_text_without_markup_is_left_alone(text: str) -> None:
    """Comparisons, types, addresses, prices, editors' brackets and every script pass unchanged."""
    assert clean(text) == text


@given(words, words, st.sampled_from(ELEMENTS), st.sampled_from(ATTRIBUTES))
def test_tags_are_no_text(before: str, within: str, name: str, attributes: str) -> None:
    """Whatever the element and its attributes, closed or cut off: no name, attribute or bracket is left of it."""
    for text in (f"{before} <{name}{attributes}>{within}</{name}>", f"{before} <{name}{attributes}> {within}"):
        cleaned = clean(text)
        assert cleaned.startswith(before)
        assert cleaned.removeprefix(before).strip() in {within, ""}


@given(words, words, st.sampled_from(UNREAD), st.lists(st.sampled_from(CONTENT), max_size=8).map("".join))
def test_what_no_reader_sees_is_no_text(before: str, after: str, name: str, content: str) -> None:
    """Style sheets, programs and the like go with all that is in them, whatever that is, however often escaped."""
    for text in (f"{before}<{name}>{content}</{name}>{after}", f"{before} <{name} a='b'>{content}</{name} > {after}"):
        if name.lower() in {"style", "script"} or not set("<&\"'") & set(content):
            assert clean(text) == f"{before} {after}"
        assert "SECRET" not in clean(text)


@given(words, words, names, st.sampled_from(CODES))
def test_shortcodes_are_no_text(before: str, after: str, name: str, code: str) -> None:
    """WordPress, Hugo, Jinja, Liquid, Handlebars, ERB, PHP and Drupal: what a template would replace is left out."""
    assert clean(f"{before} {code.format(name=name)} {after}") == f"{before} {after}"
    assert clean(f"{code.format(name=name)}{after}") == after


@pytest.mark.parametrize(
    "caption",
    [
        '[caption id="a" align="left"]<img src="a.jpg" alt=""/> Boats at rest.[/caption]',
        "[wp_caption]Boats [b]at[/b] rest.[/wp_caption]",
        "<figure><img src='a.jpg'><figcaption>Boats at rest.</figcaption></figure>",
    ],
)
def test_another_pictures_caption_is_no_text(caption: str) -> None:
    """An excerpt may begin with one: what is painted is the article. A shortcode's is kept where it is all there is."""
    assert clean(f"{caption}Ferries stay in port.") == "Ferries stay in port."
    assert clean("[caption]Boats at rest.[/caption]") == "Boats at rest."


@given(names, words, words, st.sampled_from(["", ' id="a" align="left"', "=https://example.org"]))
def test_the_text_between_shortcodes_is_kept(name: str, within: str, after: str, attributes: str) -> None:
    """Page builders keep whole articles between them: only the brackets go."""
    assert clean(f"[{name}{attributes}]{within}[/{name}] {after}") == f"{within} {after}"
    assert clean(f"[vc_row][{name}{attributes}]{within}[/{name}][/vc_row] {after}") == f"{within} {after}"


@pytest.mark.parametrize(
    "rest",
    [
        '<img src="a.jpg',
        "<!-- wp:image {",
        "<style>p{col",
        '[gallery ids="1,',
        '{{< figure src="a',
        '{% embed "a',
        "<?php a(",
    ],
)
def test_markup_that_an_excerpt_cut_off_is_no_text(rest: str) -> None:
    """A CMS cuts its excerpts at a length, wherever that falls."""
    assert clean(f"Ferries stay in port. {rest}") == "Ferries stay in port."


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("H<sub>2</sub>O and <b>S</b>torm", "H2O and Storm"),
        ("<p>One.</p><p>Two.</p>", "One. Two."),
        ("<ul><li>A</li><li>B</li></ul><table><tr><td>C</td><td>D</td></tr></table>", "A B C D"),
        ("<st1:City w:st='on'>London</st1:City>, UK", "London, UK"),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp>字<rt>ji</rt></ruby>", "漢字"),
        ("Qui paie <b>tout</b> ?", "Qui paie tout ?"),
        ("<hl1>Storm</hl1><tagline/>Ferries<credit a='b'>", "Storm Ferries"),
        ("<frameset><title>A</title>B", "A B"),
        ("Why <script> tags matter", "Why tags matter"),
        ("x<svg><style>p{}</style><text>y</text></svg>z", "x z"),
    ],
)
def test_words_stay_apart_and_together(text: str, plain: str) -> None:
    """Blocks are set apart, inline elements are not, and no rule of HTML moves or swallows text."""
    assert clean(text) == plain


UNITS = [
    "<!--",
    "<style>",
    "</style>",
    "<svg></svg>",
    "{{",
    "{%",
    "[a",
    "[caption]",
    "[/a]",
    "[[{",
    "<%",
    "<?php",
    "<![CDATA[",
    "&amp;",
    "&",
    "<x-a>",
    "<a/",
    "[a]http://x",
]


@pytest.mark.parametrize("unit", UNITS)
def test_repeated_markup_costs_little(unit: str) -> None:
    """The longest excerpt of nothing but openings is read at once: with quadratic work this test would not end."""
    assert len(visible_text(unit * 200_000)) <= 200_000 * len(unit)


def test_one_layer_is_taken_off() -> None:
    """Text that was escaped twice has another layer of entities, which is the caller's to take off."""
    assert visible_text("a &amp;amp;lt;b&gt; c") == "a <b> c"
    assert visible_text("a &lt;b&gt; c") == "a <b> c"
