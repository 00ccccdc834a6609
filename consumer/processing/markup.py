"""From what a CMS stores to what its reader sees: HTML, shortcodes and template tags become plain text.

Comparisons, types and addresses in angle brackets are text: `if x<y`, `C++ <vector>`, `<https://example.org>`.
"""

import re
from collections.abc import Collection, Mapping
from functools import partial
from typing import Final

from selectolax.lexbor import LexborHTMLParser

_INLINE: Final = frozenset(
    """
    a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q rb rp rt ruby s samp small
    span strike strong sub sup time tt u var wbr
    """.split()  # noqa: SIM905 - easier to read
)
_BLOCKS: Final = frozenset(
    """
    address area article aside base basefont blockquote body br button caption center col colgroup dd details dialog dir
    div dl dt embed fieldset figure footer form frame frameset h1 h2 h3 h4 h5 h6 header hgroup hr html img
    input legend li link main map marquee menu meta meter nav ol optgroup option output p param picture pre progress
    search section select slot source summary table tbody td textarea tfoot th thead title tr track ul
    """.split()  # noqa: SIM905 - likewise
)
_UNREAD: Final = frozenset(
    """
    style script template noscript noembed noframes iframe object applet svg math head xml audio video canvas datalist
    figcaption rp rt
    """.split()  # noqa: SIM905 - likewise
)
_PROGRAMS: Final = frozenset({"style", "script"})
_NAMES: Final = _INLINE | _BLOCKS | _UNREAD
_FLAGS: Final = (
    "allowfullscreen|async|autofocus|autoplay|checked|controls|defer|disabled|hidden|ismap|itemscope|loop|multiple|"
    "muted|nomodule|noshade|nowrap|open|readonly|required|reversed|scoped|selected"
)

_CDATA: Final = re.compile(r"<!\[CDATA\[(.*?)(?:\]\]>|\Z)", re.IGNORECASE)
_CLOSING: Final = re.compile(r"</([a-z][\w.:-]*)", re.IGNORECASE)
_ANGLE: Final = re.compile(
    rf"""<(?:
      (?P<slash>/?)(?P<name>[a-z](?:[\w.-]|:(?=[a-z]))*)
      (?=(?P<end>[\s/]*>)|[\s/]+(?:[a-z@:*\#_][\w:.@-]*\s*=\s*(?P<quote>["']?)|(?:{_FLAGS})\b))
      |!--|[!?][a-z\[][^<>]*>|)
    """,
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
_AMPERSAND: Final = re.compile(r"&(?:(?:amp|#0*38|#x0*26);)+", re.IGNORECASE)
_NO_ENTITY: Final = re.compile(r"&(?!(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});)", re.IGNORECASE)
_GAP: Final = "\n"
_GAPS: Final = re.compile(r"\n\s*([,.;:!?)\]”’、。，；：！？]?)")
_HIDDEN: Final = "x-hidden"

_TEMPLATE: Final = re.compile(  # the last one of a text may have been cut off
    r"""
      (?<!\{)\{{2,}[<%~\#/>&^!*-]*\s*[a-z$@."'/](?:(?!\{\{|\}\}).)*\}{2,}  # Hugo, Handlebars, Jinja, Liquid, Twig
    | \{\{[<%]\s*[a-z][^{}<>]{0,300}\Z
    | \{%(?:(?!\{%|%\}).)*%\}
    | \{%-?\s*[a-z][^{}<>]{0,300}\Z
    | \{\#(?:(?!\{\#|\#\}).)*\#\}
    | <%(?:(?!<%|%>).)*%>  # ERB, EJS, JSP
    | <\?(?:php\b|=)(?:(?!\?>).)*(?:\?>|\Z)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SHORTCODE_NAME: Final = "[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*"
_LINKED: Final = re.compile(rf"\[({_SHORTCODE_NAME})[^\[\]]*\]\s*https?://[^\s\[\]]+\s*\[/\1\]", re.IGNORECASE)
_MEDIA: Final = re.compile(r"\[\[\{(?:(?!\[\[|\]\]).)*\}\]\]")
_CAPTION: Final = re.compile(
    r"\[(?:wp_)?caption(?:\s[^\[\]]*)?\](?:(?!\[/?(?:wp_)?caption\b).)*\[/(?:wp_)?caption\]", re.IGNORECASE | re.DOTALL
)
_CLOSED: Final = re.compile(rf"\[/({_SHORTCODE_NAME})\]", re.IGNORECASE)
_SHORTCODE: Final = re.compile(
    rf"(?P<index>(?<=[\w\])]))?\[(?P<slash>/?)(?P<name>{_SHORTCODE_NAME})(?P<rest>[\s=/][^\[\]]*)?(?P<end>\]|\Z)",
    re.IGNORECASE,
)
_ATTRIBUTES: Final = re.compile(r"\s+(?:/\Z|[\w-]+=\S|https?://)")
_BARE: Final = frozenset({"gallery", "caption", "embed", "playlist", "toc"})


def visible_text(line: str) -> str:
    """Return what a reader sees of one line of text, with one layer of markup and of entities taken off.

    Text that was escaped twice has another layer. The time is proportional to the length, whatever the line holds.
    """
    kept = line
    if "<" in kept or "{" in kept:
        kept = _CDATA.sub(r" \1 ", _TEMPLATE.sub(_GAP, kept))
    if "<" in kept or "&" in kept:
        kept = _parsed(kept)
    if "[" in kept:
        kept = _without_shortcodes(kept)
    return _GAPS.sub(lambda gap: gap[1] or " ", kept)


def _parsed(text: str) -> str:
    escaped = _NO_ENTITY.sub("&amp;", _AMPERSAND.sub("&", text))
    last = {closing[1].lower(): closing.start() for closing in _CLOSING.finditer(escaped)}
    last["{"] = escaped.rfind("{")
    tree = LexborHTMLParser(f"<body>{_ANGLE.sub(partial(_simplified, last), escaped)}")
    tree.strip_tags(["style", "script", _HIDDEN], recursive=True)
    return "" if tree.root is None else tree.root.text()


def _simplified(last: Mapping[str, int], angle: re.Match[str]) -> str:
    """Return what the parser is to see in place of "<", the slash and the name; `last` says where closing tags are.

    Elements that are read become empty ones: tables, frames and lists nested thousandfold then cost and move nothing.
    """
    name, slash = (angle["name"] or "").lower(), angle["slash"]
    gap = "" if name in _INLINE else _GAP
    if not name:
        return angle[0] if len(angle[0]) > 1 else "&lt;"
    if not _is_element(name, last, angle):
        return f"&lt;{angle[0][1:]}"
    if name in _UNREAD and (slash or last.get(name, -1) > angle.start()):
        return f"{gap}<{slash}{name if name in _PROGRAMS else _HIDDEN}"
    if name in _PROGRAMS and last["{"] > angle.end():
        return angle[0]  # cut off within: the parser drops the rest
    return f"{gap}<{slash}wbr"


def _is_element(name: str, last: Mapping[str, int], angle: re.Match[str]) -> bool:
    """Return whether a name in angle brackets is an element: HTML's, a custom one, or one that looks like XML."""
    if name in _NAMES or (("-" in name or ":" in name) and "." not in name):
        return True
    return bool(angle["quote"]) or "/" in (angle["end"] or "") or last.get(name, -1) >= angle.start()


def _without_shortcodes(text: str) -> str:
    kept = _LINKED.sub(_GAP, _MEDIA.sub(_GAP, text))
    without_captions = _CAPTION.sub(_GAP, kept)
    kept = (
        without_captions if without_captions.strip() else kept
    )  # it tells of another picture, unless it is all there is
    closed = {closing[1].lower() for closing in _CLOSED.finditer(kept)}
    return _SHORTCODE.sub(lambda found: _GAP if _is_shortcode(found, closed) else found[0], kept)


def _is_shortcode(found: re.Match[str], closed: Collection[str]) -> bool:
    """Return whether brackets hold a shortcode, not an editor's remark: `[gallery ids="1,2"]`, but not `[sic]`."""
    name, rest = found["name"], found["rest"] or ""
    if _ATTRIBUTES.match(rest):
        return True
    if not found["end"]:
        return False
    alone = found["index"] is None and not rest and name.islower()
    return bool(found["slash"]) or name.lower() in closed or (alone and ("_" in name or name in _BARE))
