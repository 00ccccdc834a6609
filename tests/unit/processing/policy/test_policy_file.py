"""A policy is read whole, or refused with the line of every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.errors import Fatal
from consumer.processing.policy import OlderSaves, Policy, load_policy
from consumer.processing.styles import load_styles
from schemas import Article, ImageRequested, Reason

GOOD = """\
label = "desk-3"
settle_seconds = 20

[lists]
courts = "courts.txt"

[[rules]]
name = "courts"
when.lists = ["courts"]
when.look_in = ["headline"]
never = true
older = "finish"
message = "No pictures of trials."

[[rules]]
name = "war"
when.section = ["War"]
illustration_only = "illustration"
variants = 2
needs_approval = true
approval_time = "90min"
message = "The desk looks at it first."
settle_seconds = 0

[[rules]]
name = "rest"
allow = true
"""


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    (tmp_path / "courts.txt").write_text("# courts\n\ntrial\nfound guilty\n", encoding="utf-8")
    return tmp_path / "policy.toml"


def load(file: Path, text: str) -> Policy:
    file.write_text(text, encoding="utf-8")
    return load_policy(file, load_styles())


def complaint(file: Path, text: str) -> list[str]:
    with pytest.raises(Fatal) as fatal:
        load(file, text)
    assert fatal.value.reason is Reason.MISCONFIGURED
    return fatal.value.message.replace(f"{file.parent}/", "").split("\n")


def request(headline: str, section: str | None = None) -> ImageRequested:
    return ImageRequested(article=Article(id="a-1", revision=1, headline=headline, section=section))


def test_every_action_arrives(file: Path) -> None:
    """What a rule says, and the file's settle time where it does not say."""
    policy = load(file, GOOD)
    courts, war, rest = (rule.decision for rule in policy.rules)
    assert (courts.never, courts.older, courts.message) == (True, OlderSaves.FINISH, "No pictures of trials.")
    assert (war.variants, war.needs_approval, war.approval_seconds, war.settle_seconds) == (2, True, 5400, 0)
    assert policy.rules[1].instead_of_photorealistic == "illustration"
    assert (rest.never, rest.settle_seconds, policy.otherwise.settle_seconds) == (False, 20, 20)
    assert policy.photorealistic == {"photorealistic"}


def test_the_version_names_the_files_content(file: Path) -> None:
    """Its label and a digest, which changes with the file and with each of its lists."""
    before = load(file, GOOD).version
    assert before.startswith("desk-3/")
    assert load(file, GOOD).version == before
    assert load(file, GOOD + "\n").version != before
    (file.parent / "courts.txt").write_text("trial\n", encoding="utf-8")
    assert load(file, GOOD).version != before


def test_each_decision_has_the_version(file: Path) -> None:
    """Also where no rule matches."""
    policy = load(file, GOOD.replace("allow = true", 'when.section = ["Sport"]\nallow = true'))
    decisions = [policy.decide(request(text), "/cms", None, 0) for text in ("A trial", "A harbour")]
    assert [decision.rule for decision in decisions] == ["courts", None]
    assert {decision.version for decision in decisions} == {policy.version}


@pytest.mark.parametrize(
    ("old", "new", "advice"),
    [
        ('label = "desk-3"\n', "", "1: label: is missing: add it"),
        ("settle_seconds = 20", "settle_seconds = 301", "2: settle_seconds: should be less than or equal to 300"),
        ("settle_seconds = 20", "settle_second = 20", "2: settle_second: is not a key of the file: remove it, or use"),
        ('"courts.txt"', '"absent.txt"', "5: lists.courts: names absent.txt, which cannot be read: No such file"),
        ('"courts.txt"', '"a\\u0000b"', "5: lists.courts: is no name of a file: embedded null byte"),
        ('"courts.txt"', '"."', "5: lists.courts: names "),
        ('"courts.txt"', "3", '5: lists.courts: must be the name of a file beside the policy, such as "words/'),
        ('name = "courts"\n', "", "7: rules.0.name: is missing: add it"),
        (
            '["courts"]\nwhen.look',
            '["court"]\nwhen.look',
            "9: rules.0.when.lists.0: names no list, 'court': use one of",
        ),
        ('["headline"]', '["title"]', "10: rules.0.when.look_in.0: is 'title': use one of headline, standfirst,"),
        ('["headline"]', '"headline"', "10: rules.0.when.look_in: is 'headline', not a list: put it into square"),
        ('["headline"]', "[]", "10: rules.0.when.look_in: is empty: name at least one, or remove it"),
        ('when.lists = ["courts"]\n', "", "9: rules.0.when: has `look_in`, but nothing to look for: add `words` or"),
        ("never = true", "never = false", "11: rules.0.never: can only be true: remove it otherwise"),
        ("never = true", 'never = "yes"', "11: rules.0.never: can only be true"),
        ("never = true\n", "", "7: rules.0: does nothing: add an action, or `allow = true`"),
        ("never = true", "variants = 1", "7: rules.0: has `older` without `never`: remove it"),
        ("never = true", "never = true\nvariants = 1", "7: rules.0: contradicts itself: `allow` and `never` stand"),
        ('older = "finish"', 'older = "stop"', "12: rules.0.older: is 'stop': use one of end, finish"),
        ('message = "No pictures of trials."', "", "7: rules.0: has no `message`: add the sentence that an editor"),
        ('name = "war"', 'name = "courts"', "16: rules.1.name: is the name of an earlier rule, 'courts': choose"),
        ('name = "war"', 'name = "external_choice"', "16: rules.1.name: is the name by which an editor's own picture"),
        ('name = "war"', 'name = "War"', "16: rules.1.name: should match pattern"),
        ('when.section = ["War"]\n', "", "24: rules.2: is never reached: 'war' above it has no condition, so move"),
        ('when.section = ["War"]', "when.section = [3]", "17: rules.1.when.section.0: should be a valid string"),
        ('when.section = ["War"]', 'when.desk = ["War"]', "17: rules.1.when.desk: is not a key of `when`: remove it,"),
        ("illustration_only =", "illustration =", "18: rules.1.illustration: is not a key of a rule: remove it, or"),
        ('= "illustration"', '= "sketch"', "18: rules.1.illustration_only: names no style of the site: use one of def"),
        ('= "illustration"', '= "photorealistic"', "18: rules.1.illustration_only: names a photorealistic style: use"),
        ("variants = 2", 'variants = 2\nstyle = "anime"', "15: rules.1: has both `style` and `illustration_only`"),
        ("variants = 2", "variants = 10", "19: rules.1.variants: should be less than or equal to 9, but is 10"),
        ('"90min"', "90", '21: rules.1.approval_time: must be a time span in quotation marks, such as "90min"'),
        ('"90min"', '"8d"', "21: rules.1.approval_time: must be from 1s to 7d"),
        ('"90min"', '"soon"', "21: rules.1.approval_time: 'soon' is not a time span"),
        ("needs_approval = true\n", "", "15: rules.1: has `approval_time` without `needs_approval`: remove it"),
        (
            'when.section = ["War"]',
            'when.since_first_save = { at_least = "2h", below = "1h" }',
            "17: rules.1.when.since_first_save: never holds: `below` must be longer than `at_least`",
        ),
        (
            'when.section = ["War"]',
            'when.since_first_save = { over = "2h" }',
            "17: rules.1.when.since_first_save.over: is not a key of `since_first_save`: remove it, or use one of at_",
        ),
        ('when.section = ["War"]', 'when.words = ["\\u200b"]', "17: rules.1.when.words.0: has no visible character"),
        ('when.section = ["War"]', 'when.locale = ["*"]', "17: rules.1.when.locale.0: should match pattern"),
        ('when.section = ["War"]', 'when.style = ["sketch"]', "17: rules.1.when.style.0: names no style of the site"),
        ('when.section = ["War"]', 'when = "War"', "17: rules.1.when: is not a table: write"),
        ('label = "desk-3"', 'label = "desk 3"', "1: label: should match pattern"),
        ('label = "desk-3"', "label = ", "1: is not TOML here"),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_key(file: Path, old: str, new: str, advice: str) -> None:
    """The desk reads the line, the key and what to do."""
    assert old in GOOD
    assert complaint(file, GOOD.replace(old, new, 1))[0].startswith(f"policy.toml:{advice}")


def test_every_mistake_is_reported_at_once(file: Path) -> None:
    """Nobody corrects a file line by line, one attempt each."""
    lines = complaint(file, GOOD.replace("variants = 2", "variants = 0").replace('"finish"', '"x"').replace("20", "-1"))
    assert [line.split(":")[1] for line in lines] == ["2", "12", "19"]


def test_mistakes_between_keys_are_reported_beside_those_of_values(file: Path) -> None:
    """A wrong value hides neither what its rule contradicts, nor what is wrong between rules, nor lines of a list."""
    (file.parent / "courts.txt").write_text(f"trial\n\u200b\n{'a' * 201}\n", encoding="utf-8")
    text = (
        GOOD.replace("settle_seconds = 20", "settle_seconds = -1")
        .replace('when.lists = ["courts"]', 'when.lists = ["court"]')
        .replace("never = true", "never = false\nvariants = 0")
        .replace('name = "war"', 'name = "courts"')
        .replace('when.section = ["War"]\n', "")
        .replace('approval_time = "90min"\nmessage = "The desk looks at it first."\n', 'style = "sketch"\n')
    )
    assert [": ".join(line.split(": ")[:2]).removeprefix("policy.toml:") for line in complaint(file, text)] == [
        "2: settle_seconds",
        "5: lists.courts",
        "5: lists.courts",
        "7: rules.0",
        "9: rules.0.when.lists.0",
        "11: rules.0.never",
        "12: rules.0.variants",
        "16: rules.1",
        "16: rules.1",
        "17: rules.1.name",
        "21: rules.1.style",
        "24: rules.2",
    ]


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"trial\ncaf\xe9\n", "names courts.txt, whose line 2 is not UTF-8: save the file in that encoding"),
        (b"a" * 201, "names courts.txt, whose line 1 is longer than 200 characters"),
        ("trial\n\u200b\n".encode(), "names courts.txt, whose line 2 has no visible character: remove it"),
        (b"", "names courts.txt, which is empty: write its entries, or a line that begins with #"),
        (b"x\n" * 200_001, "names courts.txt, which has more than 200000 lines: split it"),
    ],
)
def test_a_mistake_in_a_list_is_reported_with_its_line(file: Path, content: bytes, advice: str) -> None:
    """Both places are named: where the policy names the list, and where the list is wrong."""
    (file.parent / "courts.txt").write_bytes(content)
    assert complaint(file, GOOD) == [f"policy.toml:5: lists.courts: {advice}"]


def test_files_saved_on_windows_are_read(file: Path) -> None:
    """A byte order mark and carriage returns are no mistake, in the policy and in its lists."""
    (file.parent / "courts.txt").write_bytes(b"\xef\xbb\xbfTrial\r\nfound guilty\r\n")
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    policy = load_policy(file, load_styles())
    assert policy.decide(request("Found guilty"), "/cms", None, 0).rule == "courts"
    assert policy.decide(request("The trial"), "/cms", None, 0).rule == "courts"


SHIPPED = [
    ("Harbour opens", "Obituaries", "obituaries-section"),
    ("Jane Smith, who founded the zoo, dies at 91", None, "obituaries"),
    ("著名作家张三逝世", "Culture", "obituaries"),
    ("Two men charged with fraud", None, "courts"),
    ("Prozess: Angeklagter schweigt", None, "courts"),
    ("Schoolgirl saves swan", None, "minors"),
    ("Earthquake hits the coast", "World", "war-and-disaster"),
    ("A day at the front", "War", "war-and-disaster-sections"),
    ("Harbour opens", "City", None),
    ("Minor changes to the courtyard", "City", None),
]


@pytest.mark.parametrize(("headline", "section", "rule"), SHIPPED)
def test_the_shipped_policy_decides_as_it_says(headline: str, section: str | None, rule: str | None) -> None:
    """An example for a newsroom, known by its name."""
    policy = load_policy(Path("newsroom"), load_styles())
    decision = policy.decide(request(headline, section), "/cms", None, 0)
    assert decision.rule == rule
    assert decision.never == (rule is not None and not rule.startswith("war"))


@pytest.mark.parametrize(("headline", "section", "rule"), SHIPPED)
def test_the_shipped_policy_declines_drafts_unless_an_editor_asks(
    headline: str, section: str | None, rule: str | None
) -> None:
    """Autosaves of any story supersede nothing; an editor at the screen is answered as if the draft were published."""
    policy = load_policy(Path("newsroom"), load_styles())
    draft = {"article": {"id": "a", "revision": 1, "headline": headline, "section": section, "status": "Draft"}}
    saved = policy.decide(ImageRequested.model_validate(draft), "/cms", None, 0)
    assert (saved.rule, saved.never, saved.older) == ("drafts", True, OlderSaves.FINISH)
    asked = ImageRequested.model_validate(draft | {"priority": "interactive"})
    assert policy.decide(asked, "/cms", None, 0).rule == rule


def test_a_file_of_the_shipped_ones_name_is_given_by_its_path(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`./newsroom` is the site's own."""
    (file.parent / "newsroom").write_text('label = "own"\n', encoding="utf-8")
    monkeypatch.chdir(file.parent)
    assert load_policy(Path("newsroom"), load_styles()).version.startswith("newsroom-1/")
    assert load_policy(file.parent / "newsroom", load_styles()).version.startswith("own/")
