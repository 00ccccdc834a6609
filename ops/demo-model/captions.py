"""What people and leadart's `brief` say of a scene: subjects in words, inside the house's style templates."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consumer.processing.styles import load_styles
from consumer.processing.wording import terms
from scenes import ATTRIBUTES
from schemas import defaults

if TYPE_CHECKING:
    from random import Random

    from scenes import Scene

LANGUAGES = ("en", "zh")

_WORDS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))
_FILLER = {language: words.split() for language, words in _WORDS["filler"].items()}
_ADVERBS = ("ground", "weather", "time", "place")
_PERIODS = {"dawn": "morning", "day": "day", "dusk": "evening", "night": "night"}
_NEGATIVE_LENGTH = 2000


def complete_prompt(scene: Scene, rng: Random, language: str) -> str:
    """Return a prompt that tells every attribute, in the style's own template."""
    return _styled(_sentence(scene, rng, language, set(ATTRIBUTES)), scene.style, language)


def loose_prompt(scene: Scene, rng: Random, language: str) -> str:
    """Return a prompt as they come: attributes left out, as a headline or an article, in a few words, in any order."""
    told = {name for name in ATTRIBUTES if rng.random() < 0.66} | ({"subject"} if rng.random() < 0.9 else set())
    form = rng.random()
    if form < 0.5:
        text = _sentence(scene, rng, language, told)
    elif form < 0.75:
        text = _headline(scene, rng, language, told)
    else:
        text = _keywords(scene, rng, language, told)
    if rng.random() < 0.4:
        text = _amid_filler(text, rng, language)
    manner = rng.random()
    if manner < 0.6:
        return _styled(text, scene.style, language)
    if manner < 0.75:
        return _loosely_styled(text, scene, rng, language)
    return rng.choice(_WORDS[language]["style"][scene.style]).format(text) if manner < 0.9 else text


def negative_prompts() -> tuple[str, ...]:
    """Return what leadart sends as negative prompts: the engine's default alone and with each style's own."""
    usual = defaults.NEGATIVE_PROMPT
    presets = load_styles().presets.values()
    return (usual, *(terms([usual, preset.negative], _NEGATIVE_LENGTH) for preset in presets))


def phrases() -> list[str]:
    """Return every phrase that captions are made of: what the tokenizer learns its words from."""
    found = [text for language in LANGUAGES for text in _texts(_WORDS[language])]
    found += [part for text in _texts(_WORDS["zh"]["subject"]) for part in (text[0], text[1:])] * 3
    found += [word for words in _FILLER.values() for word in words]
    return found


def _texts(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry.replace("{}", "")]
    values = entry.values() if isinstance(entry, dict) else entry
    return [text for value in values for text in _texts(value)]


@cache
def _template(style: str, language: str) -> str:
    return load_styles().get(style).prompt("{}", language)


def _styled(text: str, style: str, language: str) -> str:
    return _template(style, language).replace("{}", text.rstrip(" .。"))


def _loosely_styled(text: str, scene: Scene, rng: Random, language: str) -> str:
    """Put some of the template's clauses behind the text: the style's words count, not only its whole sentence."""
    comma, stop = ("，", "。") if language == "zh" else (", ", ". ")
    clauses = _template(scene.style, language).replace("{}", "").strip(" .。").split(comma)
    kept = [clauses[0], *(clause for clause in clauses[1:] if rng.random() < 0.5)]
    return f"{text.rstrip(' .。')}{stop}{comma.join(kept)}{stop.strip()}"


def _word(scene: Scene, rng: Random, language: str, name: str, group: str = "") -> str:
    words = _WORDS[language][group] if group else _WORDS[language]
    found: str = rng.choice(words[name][getattr(scene, name)])
    return found


def _sentence(scene: Scene, rng: Random, language: str, told: set[str]) -> str:
    return _in_chinese(scene, rng, told) if language == "zh" else _in_english(scene, rng, told)


def _in_english(scene: Scene, rng: Random, told: set[str]) -> str:
    adjectives = [_word(scene, rng, "en", name) for name in ("size", "colour") if name in told]
    noun = _word(scene, rng, "en", "subject") if "subject" in told else "thing"
    thing = " ".join([*adjectives, noun])
    article = rng.choices(("", "the", "one", "a single", "an" if thing[0] in "aeiou" else "a"), (2, 1, 1, 1, 7))[0]
    adverbs = [name for name in _ADVERBS if name in told]
    rng.shuffle(adverbs)
    said = [_word(scene, rng, "en", name) for name in adverbs]
    if {"weather", "time"} <= told and rng.random() < 0.3:
        kept = [text for name, text in zip(adverbs, said, strict=True) if name not in {"weather", "time"}]
        said = [*kept, f"on a {_word(scene, rng, 'en', 'weather', 'adjectives')} {_PERIODS[scene.time]}"]
    join = rng.choice((" ", " ", ", "))
    parts = [f"{article} {thing}".strip(), *said]
    if said and rng.random() < 0.2:
        parts = [f"{said[-1]},", parts[0], *said[:-1]]
        join = " "
    text = join.join(parts)
    return text[0].upper() + text[1:] if rng.random() < 0.7 else text


def _in_chinese(scene: Scene, rng: Random, told: set[str]) -> str:
    before = [_word(scene, rng, "zh", name) for name in ("time", "weather", "ground") if name in told]
    rng.shuffle(before)
    if "subject" not in told:
        return "，".join(before or ["风景"])
    measured = _word(scene, rng, "zh", "subject")
    size = _word(scene, rng, "zh", "size") if "size" in told else ""
    colour = _word(scene, rng, "zh", "colour") + rng.choice(("的", "的", "")) if "colour" in told else ""
    thing = f"{size}{colour}{measured[1:]}"
    if rng.random() < 0.7:
        thing = f"{rng.choice(('一', '有一', '一'))}{measured[0]}{thing}"
    join = rng.choice(("，", "，", ""))
    place = rng.choice(("，", "")) + _word(scene, rng, "zh", "place") if "place" in told else ""
    return join.join([*before, thing]) + place


def _headline(scene: Scene, rng: Random, language: str, told: set[str]) -> str:
    """Return something like "Storm over the harbour" with the rest as its summary."""
    weather = _word(scene, rng, language, "weather", "nouns")
    ground = _word(scene, rng, language, "ground", "nouns")
    things = rng.choice(_WORDS[language]["plural"][scene.subject])
    time = _word(scene, rng, language, "time", "nouns" if language == "zh" else "")
    if language == "zh":
        lead = rng.choice(
            (f"{weather}逼近{ground}，{things}", f"{time}的{ground}：{things}", f"{ground}{things}遇{weather}")
        )
        return f"{lead}。{_in_chinese(scene, rng, told)}" if rng.random() < 0.5 else lead
    lead = rng.choice(
        (
            f"{weather} over the {ground} {time}. {things}",
            f"{things} in the {ground}. {weather} {time}",
            f"{ground} {things}: {weather}",
            f"{things} and the {weather} {time}",
        )
    )
    lead = lead[0].upper() + lead[1:]
    return f"{lead}. {_in_english(scene, rng, told)}" if rng.random() < 0.5 else lead


def _keywords(scene: Scene, rng: Random, language: str, told: set[str]) -> str:
    names = [name for name in ("ground", "weather", "time") if name in told]
    words = [_word(scene, rng, language, name, "nouns") for name in names]
    thing = _word(scene, rng, language, "subject")
    if language == "zh":
        thing = rng.choice((thing[1:], *_WORDS["zh"]["plural"][scene.subject]))
        thing = _word(scene, rng, "zh", "colour") + thing if "colour" in told else thing
    else:
        thing = rng.choice((thing, thing, *_WORDS["en"]["plural"][scene.subject]))
        thing = f"{_word(scene, rng, 'en', 'colour')} {thing}" if "colour" in told else thing
    words.append(thing)
    rng.shuffle(words)
    lead = rng.choice(("", "", "主题：" if language == "zh" else "Topics: "))
    return lead + ("、" if language == "zh" else ", ").join(words)


def _amid_filler(text: str, rng: Random, language: str) -> str:
    """Put words of the news before or behind that tell nothing about the picture."""
    words = rng.choices(_FILLER[language], k=rng.randint(3, 11))
    filler = "".join(words) if language == "zh" else " ".join(words)
    filler = filler[0].upper() + filler[1:]
    stop = "。" if language == "zh" else ". "
    return stop.join((filler, text) if rng.random() < 0.5 else (text, filler))
