from __future__ import annotations

import itertools
import unicodedata
from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumer.errors import Rejected
from consumer.jobs import Adapter, ModelIdentity, Paintable
from consumer.processing.cleaning import clean
from consumer.processing.prompting import make_plan
from consumer.processing.styles import StylePreset, Styles, WantedAdapter, load_styles
from schemas import ImageRequested, Output, Reason, defaults
from schemas.fields import SAFE_INTEGER
from schemas.sizes import asked_size, fits
from tests.support.articles import STORM, TYPHOON

MODEL = ModelIdentity("demo", "0" * 64)
PLAIN: dict[str, Any] = {
    "title": "T",
    "description": "D",
    "version": 1,
    "photorealistic": False,
    "template": "{subject}.",
    "translations": {"zh": "{subject}。"},
    "negative": "",
    "steps": None,
    "guidance_scale": None,
    "width": None,
    "height": None,
}

PAINTABLE = Paintable(MODEL)


def styles(**oil: Any) -> Styles:
    presets = [
        StylePreset(**{**PLAIN, "name": "default"}),
        StylePreset(**{**PLAIN, "name": "oil", "version": 3, **oil}),
    ]
    return Styles({style.name: style for style in presets})


def request(article: dict[str, Any] | None = None, **parts: Any) -> ImageRequested:
    whole = {"id": "a-1042", "revision": 7, "headline": "Storm over the harbour", **(article or {})}
    return ImageRequested.model_validate({"article": whole, **parts})


def seeds(**parts: Any) -> list[int]:
    return [recipe.seed for recipe in make_plan(request(**parts), styles(), PAINTABLE).recipes]


def test_a_bare_request_gets_the_engines_defaults() -> None:
    """An article with a headline and nothing else is painted once, with the defaults of the contract."""
    brief = make_plan(request(), styles(), PAINTABLE)
    (recipe,) = brief.recipes
    assert brief.prompt == recipe.prompt == "Storm over the harbour."
    assert brief.alt == "T: Storm over the harbour"
    assert recipe.negative_prompt == defaults.NEGATIVE_PROMPT
    assert (recipe.steps, recipe.guidance_scale) == (defaults.STEPS, defaults.GUIDANCE_SCALE)
    assert (recipe.width, recipe.height) == (defaults.WIDTH, defaults.HEIGHT)
    assert (recipe.style, recipe.style_version, recipe.model, recipe.adapters) == ("default", 1, MODEL, ())


def test_the_styles_adapters_become_part_of_every_recipe() -> None:
    """Names become digests, in the style's order and with its strengths; the other styles' recipes have none."""
    custom = styles(adapters=(WantedAdapter("print-house", 0.8), WantedAdapter("grain", -1.0)))
    loaded = {"grain": "b" * 64, "ink": "c" * 64, "print-house": "a" * 64}
    made = make_plan(request(style={"preset": "oil"}, output={"variants": 2}), custom, Paintable(MODEL, loaded))
    plain = make_plan(request(), custom, Paintable(MODEL, loaded))

    wanted = (Adapter("print-house", "a" * 64, 0.8), Adapter("grain", "b" * 64, -1.0))
    assert [recipe.adapters for recipe in (*made.recipes, *plain.recipes)] == [wanted, wanted, ()]


def test_an_engine_without_adapters_paints_without() -> None:
    """To the swatch engine a style with a LoRA is one without: the recipe says what was painted."""
    custom = styles(adapters=(WantedAdapter("print-house", 0.8),))
    assert make_plan(request(style={"preset": "oil"}), custom, PAINTABLE).recipes[0].adapters == ()


def test_the_language_chooses_the_template() -> None:
    """A Chinese article meets the Chinese template of its style."""
    brief = make_plan(request({"headline": "台风逼近港口", "locale": "zh-CN"}), styles(), PAINTABLE)
    assert brief.prompt == "台风逼近港口。"


@pytest.mark.parametrize(
    ("article", "prompt", "alt"),
    [
        ({"locale": "en-GB"}, None, "Illustration: Storm over the harbour"),
        ({"headline": "台风逼近港口", "locale": "zh-CN"}, None, "配图：台风逼近港口"),
        ({"headline": "台风逼近港口"}, None, "配图：台风逼近港口"),
        ({"headline": "台风逼近港口", "locale": "zh-CN"}, "a lighthouse at dusk", "配图：a lighthouse at dusk"),
        ({"locale": "en-GB"}, "港口的渔船", "Illustration: 港口的渔船"),
        ({"headline": None}, "a lighthouse", "Illustration: a lighthouse"),
        ({"headline": "9/11"}, "two beams of light", "Illustration: two beams of light"),
        ({"headline": "Sturm über dem Hafen", "locale": "de"}, "ein Leuchtturm", "ein Leuchtturm"),
        ({"headline": "Буря над портом"}, "a red boat", "a red boat"),
        ({"headline": "嵐が港に近づく"}, None, "嵐が港に近づく"),
        ({"headline": "항구의 폭풍", "locale": "ko"}, None, "항구의 폭풍"),
    ],
)
def test_the_alternative_is_in_the_articles_language(article: dict[str, Any], prompt: str | None, alt: str) -> None:
    """That of its headline where its letters contradict the locale; what was asked for is quoted as it was written."""
    asked = request(article, brief={"prompt": prompt})
    assert make_plan(asked, load_styles(None), PAINTABLE).alt == alt


@pytest.mark.parametrize("locale", ["en", "zh", "de", "el"])
@pytest.mark.parametrize("field", ["summary", "standfirst", "body_excerpt"])
def test_the_alternative_does_not_repeat_the_article(locale: str, field: str) -> None:
    """What stands beside the picture anyway is not read aloud again."""
    article = {"headline": "港口" if locale == "zh" else "Storm", field: "Ferries stay in port.", "locale": locale}
    assert "Ferries" not in make_plan(request(article), load_styles(None), PAINTABLE).alt


@pytest.mark.parametrize(("locale", "headline"), [("en", "Storm over the harbour"), ("zh", "台风逼近港口")])
def test_the_alternative_does_not_repeat_the_headline(locale: str, headline: str) -> None:
    """An editor's hints or the article's tags are told instead, where there are any."""
    article = {"headline": headline, "locale": locale, "tags": ["ferries"]}
    assert make_plan(request(article), load_styles(None), PAINTABLE).alt.endswith("ferries")
    hinted = request(article, brief={"subject_hints": ["boats"]})
    assert make_plan(hinted, load_styles(None), PAINTABLE).alt.endswith("boats")


@given(
    asked=st.none() | st.integers(1, 100),
    styled=st.none() | st.integers(1, 100),
)
def test_request_beats_style_beats_default(asked: int | None, styled: int | None) -> None:
    """Each value that decides the pixels comes from the first of the three that has one."""
    side, styled_side = [None if value is None else 64 + value // 10 * 16 for value in (asked, styled)]
    scale, styled_scale = [None if value is None else value / 10 for value in (asked, styled)]
    parts: dict[str, Any] = {
        "style": {"preset": "oil"},
        "output": {"width": side, "height": side},
        "generation": {"steps": asked, "guidance_scale": scale},
    }
    custom = styles(steps=styled, guidance_scale=styled_scale, width=styled_side, height=styled_side)
    recipe = make_plan(request(**parts), custom, PAINTABLE).recipes[0]

    def first(*values: float | None) -> float | None:
        return next(value for value in values if value is not None)

    assert recipe.steps == first(asked, styled, defaults.STEPS)
    assert recipe.guidance_scale == first(scale, styled_scale, defaults.GUIDANCE_SCALE)
    assert (recipe.width, recipe.height) == (first(side, styled_side, 512),) * 2


def test_a_guidance_of_zero_is_a_value() -> None:
    """Switching guidance off is not the same as saying nothing."""
    parts: dict[str, Any] = {"style": {"preset": "oil"}, "generation": {"guidance_scale": 0}}
    assert make_plan(request(**parts), styles(guidance_scale=4.0), PAINTABLE).recipes[0].guidance_scale == 0


@pytest.mark.parametrize(
    ("brief", "negative"),
    [
        ({}, "nsfw, low quality, text, watermark, frame"),
        ({"avoid": ["faces", "Text"]}, "faces, Text, nsfw, low quality, watermark, frame"),
        ({"negative_prompt": "clouds"}, "clouds"),
        ({"negative_prompt": "clouds", "avoid": ["faces"]}, "faces, clouds"),
        ({"negative_prompt": ""}, ""),
        ({"negative_prompt": "a <|im_end|> b"}, "a b"),
    ],
)
def test_what_is_to_be_left_out(brief: dict[str, Any], negative: str) -> None:
    """The style adds to the default, the request's own replaces both, and `avoid` goes before either."""
    made = make_plan(request(brief=brief, style={"preset": "oil"}), styles(negative="frame, text"), PAINTABLE)
    assert made.recipes[0].negative_prompt == negative


def test_an_unknown_style_is_rejected_with_those_known() -> None:
    """The publisher learns the field and its known values."""
    with pytest.raises(Rejected, match="default, oil") as rejected:
        make_plan(request(style={"preset": "cubism"}), styles(), PAINTABLE)
    assert (rejected.value.reason, rejected.value.field) == (Reason.UNKNOWN_STYLE, "style.preset")


def test_text_without_a_word_is_rejected() -> None:
    """Punctuation alone is no subject, and the field that was given is named."""
    for field, unpaintable in (
        ("article.headline", request({"headline": "?!"})),
        ("brief.prompt", request({"headline": None}, brief={"prompt": "..."})),
    ):
        with pytest.raises(Rejected) as rejected:
            make_plan(unpaintable, styles(), PAINTABLE)
        assert (rejected.value.reason, rejected.value.field) == (Reason.MISSING_FIELD, field)


@pytest.mark.parametrize(
    ("output", "styled", "size", "painted"),
    [
        ({}, {}, (512, 512), (512, 512)),
        ({}, {"width": 768, "height": 432}, (768, 432), (768, 432)),
        ({}, {"width": 1200, "height": 630}, (1200, 630), (1200, 640)),
        ({"width": 1200, "height": 630}, {}, (1200, 630), (1200, 640)),
        ({"width": 1200, "height": 675}, {}, (1200, 675), (1200, 688)),
        ({"width": 1920, "height": 1080}, {}, (1920, 1080), (1920, 1088)),
        ({"width": 256, "height": 256}, {}, (256, 256), (256, 256)),
        ({"width": 300}, {}, (300, 300), (304, 304)),
        ({"height": 300}, {"width": 768, "height": 512}, (450, 300), (464, 304)),
        ({"width": 300}, {"width": 768}, (300, 200), (304, 208)),
        ({"aspect": "16:9"}, {}, (683, 384), (688, 384)),
        ({"aspect": "9:16"}, {"width": 256, "height": 256}, (192, 341), (192, 352)),
        ({"aspect": "1:1"}, {"width": 1024, "height": 256}, (512, 512), (512, 512)),
        ({"width": 1200, "aspect": "40:21"}, {}, (1200, 630), (1200, 640)),
        ({"height": 1080, "aspect": "16:9"}, {}, (1920, 1080), (1920, 1088)),
        ({"width": 1200, "height": 675, "aspect": "16:9"}, {}, (1200, 675), (1200, 688)),
    ],
)
def test_sizes_are_exact(
    output: dict[str, Any], styled: dict[str, int], size: tuple[int, int], painted: tuple[int, int]
) -> None:
    """A side alone keeps the style's ratio, an aspect alone its area; painted in sixteens, and trimmed if need be."""
    plan = make_plan(request(output=output, style={"preset": "oil"}), styles(**styled), PAINTABLE)
    recipe = plan.recipes[0]
    assert (recipe.size, (recipe.width, recipe.height)) == (size, painted)
    assert recipe.trimmed == (None if size == painted else size)


SIDE = st.integers(64, 2048)


def refusal(output: dict[str, Any]) -> str:
    """Return why a request is refused, by the contract or for its style; empty if it is not."""
    try:
        make_plan(request(output=output), styles(), PAINTABLE)
    except (Rejected, ValidationError) as error:
        return str(error)
    return ""


@given(st.none() | SIDE, st.none() | SIDE, st.none() | st.tuples(SIDE, SIDE))
def test_any_size_is_painted_a_little_larger_or_refused(
    width: int | None, height: int | None, aspect: tuple[int, int] | None
) -> None:
    """Sides are multiples of 16, at most 15 more than asked, within the bounds; a refusal says every bound."""
    ratio = aspect and "{}:{}".format(*aspect)
    output = {"width": width, "height": height, "aspect": ratio}
    given_sides = [side for side in (width, height) if side is not None]
    if why := refusal(output):
        assert not fits(*asked_size(width, height, ratio, (512, 512))) or (aspect and len(given_sides) == 2)
        assert "width and height may be" in why or "leave out width, height or aspect" in why
        return
    recipe = make_plan(request(output=output), styles(), PAINTABLE).recipes[0]
    for asked, painted in zip(recipe.size, (recipe.width, recipe.height), strict=True):
        assert 0 <= painted - asked < 16
        assert painted % 16 == 0
        assert asked >= 64
        assert painted <= 2048
    assert recipe.width * recipe.height <= 1536 * 1536
    assert set(given_sides) <= set(recipe.size)
    assert (recipe.trimmed is None) == (recipe.size == (recipe.width, recipe.height))


@pytest.mark.parametrize(
    ("output", "field", "sentence"),
    [
        ({"width": 2048}, "width", "`output.width` makes a picture of 2048x2048: width and height may be 64 to 2048"),
        ({"height": 1600}, "height", "`output.height` makes a picture of 1600x1600: width and height may be"),
        ({"aspect": "1:32"}, "aspect", "`output.aspect` makes a picture of 272x8704: width and height may be"),
    ],
)
def test_a_size_that_the_style_makes_too_large_is_rejected(output: dict[str, Any], field: str, sentence: str) -> None:
    """What the style fills in must fit too; the message says the size and every bound."""
    custom = styles(width=1536, height=1536)
    with pytest.raises(Rejected, match="the style oil fills in") as rejected:
        make_plan(request(output=output, style={"preset": "oil"}), custom, PAINTABLE)
    assert (rejected.value.reason, rejected.value.field) == (Reason.INVALID_FIELD, f"output.{field}")
    assert rejected.value.message.startswith(sentence)


def test_a_given_seed_counts_up_over_the_variants() -> None:
    """The first variant has the seed that was asked for."""
    assert seeds(output={"variants": 3}, generation={"seed": 42}) == [42, 43, 44]


def test_another_variation_of_a_given_seed_is_another_picture() -> None:
    """Regenerating with the seed kept still gives new pictures, also when the number of variants changed."""
    every = [seeds(output={"variants": 9}, generation={"seed": 42, "variation": n}) for n in range(4)]
    assert len(set(itertools.chain(*every))) == 36


def test_seeds_stay_exact_in_javascript() -> None:
    """The largest seed of the contract wraps round instead of leaving the safe integers."""
    assert seeds(output={"variants": 2}, generation={"seed": SAFE_INTEGER}) == [SAFE_INTEGER, 0]


def test_a_made_seed_is_the_same_for_ever() -> None:
    """A golden value: a change here would repaint every picture of every replay."""
    assert seeds(output={"variants": 2}) == [4734539352228935, 5182576993714044]


@pytest.mark.parametrize(
    ("article", "parts", "digest"),
    [
        (STORM, {}, "df3abd52e4adf691eea930d7c0ceb98e1ffd5d7d8e6d8b749f94be9ada3f6533"),
        (
            STORM,
            {"style": {"preset": "oil_painting"}, "brief": {"subject_hints": ["fishing boats"], "avoid": ["people"]}},
            "08723ad41db531023871dfa7d2dd5214c846ec5ca82672a6e22316d6ad691ca1",
        ),
        (
            STORM,
            {"brief": {"prompt": "A lighthouse at dusk, 2 < 3 & AT&T."}},
            "507692cf45062af35ccf6aa3a1b7c99ae811a1f247aa37b1bfc5f27f11897bfc",
        ),
        (TYPHOON, {}, "4e97df84ae4a1aa4393b610767d43fca4dd8cf20bee4f7496ccf4a69ad24f32b"),
        (
            TYPHOON,
            {"style": {"preset": "photorealistic"}, "brief": {"subject_hints": ["渔船"]}},
            "5ff455daecbf226f3837e0716e4891a156e8fe050d721e74ce3b74d801bc8fa0",
        ),
    ],
)
def test_a_plain_requests_recipe_is_the_same_for_ever(
    article: dict[str, Any], parts: dict[str, Any], digest: str
) -> None:
    """A golden value each, with the bundled styles: a change here would repaint the articles of every site."""
    made = make_plan(request(article, **parts), load_styles(None), Paintable(ModelIdentity("demo", "0" * 64)))
    assert made.recipes[0].digest == digest


@given(st.lists(st.sampled_from(["กำ", "ที่", "👩\u200d🚒", "🇩🇪", "e\u0331", "क्षि", " "]), min_size=130, max_size=200))
def test_no_cut_takes_a_character_apart(shown: list[str]) -> None:
    """Headlines, hints, tags and what to avoid are cut between the characters that readers see."""
    headline, hint, tag = ("".join(["x", *shown[:count]]) for count in (120, 60, 30))
    asked = request({"headline": headline, "tags": [tag]}, brief={"subject_hints": [hint], "avoid": [hint] * 20})
    made = make_plan(asked, styles(), PAINTABLE)
    whole = {*shown, *"x.Showing Topics:,", *defaults.NEGATIVE_PROMPT}
    assert set(regex.findall(r"\X", made.prompt + made.recipes[0].negative_prompt)) <= whole


identities = st.tuples(
    st.text("ab:,\"'[]\\", min_size=1, max_size=6), st.sampled_from(["hero", "a", "1"]), st.integers(0, 999)
)


@given(st.lists(identities, min_size=2, max_size=4, unique=True))
def test_made_seeds_differ_by_article_slot_variation_and_variant(found: list[tuple[str, str, int]]) -> None:
    """No two pictures share their noise, whatever characters an article id is made of."""
    made = [
        seed
        for article, slot, variation in found
        for seed in seeds(
            article={"id": article}, output={"slot": slot, "variants": 9}, generation={"variation": variation}
        )
    ]
    assert len(set(made)) == len(made) == 9 * len(found)
    assert all(0 <= seed <= SAFE_INTEGER for seed in made)


def test_a_new_revision_keeps_the_seed() -> None:
    """The same article saved again unchanged gives the same recipe, which costs no GPU time."""
    one, other = (make_plan(request({"revision": revision}), styles(), PAINTABLE) for revision in (7, 8))
    assert one == other


def test_variations_lie_as_far_apart_as_variants_can_be() -> None:
    """Ten variants are more than the contract allows: nine is the stride of variations."""
    with pytest.raises(ValidationError):
        Output(variants=10)


texts = st.text(max_size=60) | st.text(
    st.characters(categories=["Cc", "Cf", "Co", "Mn", "So", "Sm", "Lo"]), max_size=60
)


@given(
    article=st.fixed_dictionaries({"headline": texts, "summary": texts, "tags": st.lists(texts, max_size=3)}),
    brief=st.fixed_dictionaries({"prompt": texts, "negative_prompt": texts, "avoid": st.lists(texts, max_size=3)}),
)
def test_any_text_makes_a_sound_brief_or_is_rejected(article: dict[str, Any], brief: dict[str, Any]) -> None:
    """Whatever the contract lets through: one deterministic brief that can be hashed, or a rejection with its field."""
    try:
        asked = request(article, brief=brief)
    except ValidationError:
        return
    try:
        made = make_plan(asked, styles(), PAINTABLE)
    except Rejected:
        assert not {"L", "N"} & {unicodedata.category(character)[0] for character in asked.article.headline or ""}
        return
    again = make_plan(asked, styles(), PAINTABLE)
    assert made == again
    assert made.recipes[0].digest == again.recipes[0].digest
    assert made.prompt == clean(made.prompt)
    assert made.prompt.strip(" .。")
