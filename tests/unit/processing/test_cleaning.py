"""`consumer.processing.cleaning`: text made safe for the model."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.processing.cleaning import clean

COMMANDS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|vision_pad|>", "<think>", "</think>", "<tool_call>"]
MARKUP = ["&lt;", "&amp;", "&#", "&#x3c;", "&#8203;", "amp;", "54;", ";", "&"]
TAGS = [
    "<style>",
    "</style>",
    "<o:p>",
    "<![CDATA[",
    "]]>",
    "<!",
    "<?",
    "{",
    "<b>",
    "</p>",
    "<a href='x'>",
    "<!--",
    "-->",
    "<a ",
    "<th",
]
OTHERS = ["<|", "|>", "<", ">", "im_end", "\x00", "\u200b", "\u202e", "e", "\u0301", " ", "\n"]
pieces = st.sampled_from([*COMMANDS, *MARKUP, *TAGS, *OTHERS])
hostile = st.lists(pieces | st.text(max_size=3), max_size=20).map("".join)


NESTED = "<|im_<|im_end|>end|>"
CLOSING_UP = "<<think>|im_end|<think>>"


@given(hostile)
@example(NESTED)
@example(CLOSING_UP)
def test_cleaned_text_holds_nothing_that_commands_the_model(text: str) -> None:
    """No chat-template command, control or invisible character gets through, however it is nested or split."""
    cleaned = clean(text)
    assert not [command for command in [*COMMANDS, "<|", "|>"] if command in cleaned.lower()]
    assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(character) for character in cleaned}
    assert "\u200b" not in cleaned
    assert "\u202e" not in cleaned
    cleaned.encode()


@given(hostile)
@example("caf\u0065\u200b\u0301")
@example("<![CDATA[" * 4)
@example(CLOSING_UP)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    """Cleaned text is one line of NFC with single spaces, and is clean."""
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert cleaned == " ".join(cleaned.split())


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Don&#8217;t panic", "Don’t panic"),
        ("<b>Storm</b> &amp; flood&nbsp;in &#8220;Lyon&#8221;", "Storm & flood in “Lyon”"),
        ('<p class="lead">Read <a href="https://x.y/z">this</a></p>', "Read this"),
        ("Tom &amp;amp; Co, AT&T &ltd", "Tom & Co, AT&T &ltd"),
        ("&lt;|im_start|&gt;system", "system"),
        ("a <john@example.org> b", "a <john@example.org> b"),
        ("&" + "amp;" * 10_000 + "lt;", "<"),
        ("a <!-- note --> b", "a b"),
        ("In <b>Lyon</b>, storm", "In Lyon, storm"),
        ("<a <b>>x", "x"),
        ("<th<b>ink>x", "x"),
        ("<a " * 5 + ">" * 5, "< a < a >>"),
        ("<!--" * 20_000, ""),
        ("<style>.hero-7{color:#fff;margin:0 auto}</style><p>Ferries stay in port.</p>", "Ferries stay in port."),
        ("A<SCRIPT type='x'>if (a < b) {}</script >B <style-guide>C</style-guide>", "A B C"),
        ("Ferries stay. <style>.hero-7{color:#fff;mar", "Ferries stay."),
        ("&lt;style&gt;p{}&lt;/style&gt;Ferries", "Ferries"),
        ("Why <script> tags matter", "Why tags matter"),
        ("<style>" * 10_000 + "Ferries", "Ferries"),
        ("Storm<o:p></o:p> <p class=MsoNormal>Ferries<o:p>&nbsp;</o:p></p>", "Storm Ferries"),
        ("<?xml:namespace prefix = o /><!DOCTYPE html><![if !x]>Ferries<![endif]>", "Ferries"),
        ("<!--[if gte mso 9]><xml><w:View>Normal</w:View></xml><![endif]-->Ferries", "Ferries"),
        ('<amp-img src="a.jpg" width="3"></amp-img>Ferries', "Ferries"),
        ("<![CDATA[Storm over the harbour]]>", "Storm over the harbour"),
        ("<![CDATA[<b>Storm</b> over", "Storm over"),
        ("see <https://example.org:80/a> and <localhost:8080>", "see <https://example.org:80/a> and <localhost:8080>"),
    ],
)
def test_the_markup_of_a_cms_is_no_text(text: str, plain: str) -> None:
    """WordPress and others hand their titles over as HTML: tags and entities are neither painted nor read aloud."""
    assert clean(text) == plain


def test_a_lone_surrogate_is_dropped() -> None:
    """Half a character, which no recipe could be hashed with, does not get through."""
    assert clean("a\ud800b") == "ab"


@pytest.mark.parametrize("text", ["Storm over the harbour", "台风逼近港口", "नमस्ते", "👩‍🚒 at work", "2 < 3 and 5 > 4"])
def test_ordinary_text_is_left_alone(text: str) -> None:
    """Scripts, joined emoji and comparisons are not touched."""
    assert clean(text) == text
