"""Marks that say that a picture is AI-made, as XMP: IPTC's for everybody, TC260's `AIGC` label for China.

They name the model and the producer, never the prompt or a person: prompts reveal stories not yet published.
"""

import json
import re
from dataclasses import dataclass
from xml.sax.saxutils import escape, unescape

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for media created entirely by a trained model."""

KEYWORD = "XML:com.adobe.xmp"
"""Keyword of the PNG iTXt chunk that holds XMP."""

_PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/">
{properties}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""

_OUR_MODEL = re.compile("<xmp:CreatorTool>leadart</xmp:CreatorTool>.*<Iptc4xmpExt:AISystemUsed>([^<]*)<", re.DOTALL)
_VERSION_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Marks:
    """What the files of one picture say: the model, who produced it, and the digest of its recipe; "" if not known."""

    model: str
    producer: str
    model_sha256: str = ""
    recipe: str = ""

    def xmp(self) -> str:
        """Return the XMP packet. Deterministic."""
        properties = {
            "xmp:CreatorTool": "leadart",
            "Iptc4xmpExt:DigitalSourceType": SOURCE_TYPE,
            "Iptc4xmpExt:AISystemUsed": self.model,
            "Iptc4xmpExt:AISystemVersionUsed": self.model_sha256[:_VERSION_DIGITS],
            "TC260:AIGC": self._label(),
        }
        lines = [f"   <{name}>{_text(value)}</{name}>" for name, value in properties.items() if value]
        return _PACKET.format(properties="\n".join(lines))

    def _label(self) -> str:
        """Return TC260's label: all of its fields, those for signatures empty."""
        fields = {
            "Label": "1",
            "ContentProducer": self.producer,
            "ProduceID": self.recipe,
            "ReservedCode1": "",
            "ContentPropagator": self.producer,
            "PropagateID": self.recipe,
            "ReservedCode2": "",
        }
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def taken_over(xmp: str, producer: str) -> str:
    """Return the marks of a master's renditions: the master's own, "" if it has none.

    A master that leadart painted before it wrote all of them gets those that can be known.
    """
    ours = _OUR_MODEL.search(xmp)
    if ours and "<TC260:AIGC>" not in xmp:
        return Marks(unescape(ours[1]), producer).xmp()
    return xmp


def _text(value: str) -> str:
    """Return the value as XML text; control characters, which XML has no way to write, as blanks."""
    return escape("".join(character if character.isprintable() else " " for character in value))
