"""What editors decided about a slot, as its head remembers it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from schemas.editorial import ImageChosen
from schemas.fields import SAFE_INTEGER
from schemas.recrop import PictureReference

Number = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]


class Remembered(BaseModel):
    """Base of what is stored in a head. A field that a newer worker added is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Choice(Remembered):
    """The picture that an editor chose, by both of its digests, which are empty for an external one.

    After the editor let go of it, it is remembered for repeats of that event.
    """

    decision: ImageChosen
    sha256: str = ""
    recipe: str = ""
    ordinal: Number = 0
    let_go: bool = False

    def is_of(self, picture: PictureReference) -> bool:
        """Return whether the reference names the chosen picture."""
        return picture.sha256 == self.sha256 if picture.sha256 is not None else picture.recipe == self.recipe

    def is_still(self, standing: "Choice | None") -> bool:
        """Return whether this choice's picture is chosen in the `standing` one."""
        return standing is not None and not standing.let_go and standing.recipe == self.recipe

    def after(self, standing: "Choice | None") -> "Choice":
        """Return the choice as it takes effect after the `standing` one: of the same picture it keeps the words.

        An empty text is the editor's, too: it takes the earlier one back.
        """
        if standing is None or not self.is_still(standing):
            return self
        own, earlier = self.decision, standing.decision
        words = {
            "alt": earlier.alt if own.alt is None else own.alt,
            "caption": earlier.caption if own.caption is None else own.caption,
        }
        return self.model_copy(update={"decision": own.model_copy(update=words)})


class Withdrawal(Remembered):
    """The event that took a slot down, and its ordinal there."""

    source: str
    request_id: str
    ordinal: Number = 0
    message: str | None = None

    def is_same(self, other: "Withdrawal") -> bool:
        """Return whether both are the same event's."""
        return (self.source, self.request_id) == (other.source, other.request_id)


class Position(Remembered):
    """Where a decision stands on the bus. Those of one partition take effect in the order of their offsets."""

    topic: str
    partition: Number
    offset: Number

    def is_before(self, other: "Position | None") -> bool:
        """Return whether the other one is later in the same partition."""
        if other is None or (self.topic, self.partition) != (other.topic, other.partition):
            return False
        return self.offset < other.offset


class Held(Remembered):
    """A request that waits for an editor's approval, with its record as its publisher wrote it.

    Times are in milliseconds since 1970. `style`, `variants` and `policy` (its version) are what the rule said.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    source: str
    request_id: str
    revision: Number
    ordinal: Number
    variation: Number
    until_ms: Number
    topic: str
    offset: Number
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: Number = 0
    rule: str = ""
    message: str = ""
    style: str | None = None
    variants: Number | None = None
    policy: str = ""

    def is_of(self, source: str, request_id: str) -> bool:
        """Return whether it is the request of that event."""
        return (self.source, self.request_id) == (source, request_id)


class Editorial(Remembered):
    """All that editors decided about a slot. `at` is where the last decision stands.

    `held` waits for an approval; `approved` names the event (source, id) of the last one that got it.
    `lifted`: the withdrawal that this one ended, a restoration. It is remembered for repeats of that event: what was
    shown before must stay hidden, whatever is read again.
    """

    choice: Choice | None = None
    withdrawal: Withdrawal | None = None
    lifted: Withdrawal | None = None
    at: Position | None = None
    held: Held | None = None
    approved: tuple[str, str] | None = None

    def decided(self, at: Position, choice: Choice | None = None, withdrawal: Withdrawal | None = None) -> "Editorial":
        """Return it after a decision, which does not end what is held: that has an end of its own."""
        return self.model_copy(update={"at": at, "choice": choice, "withdrawal": withdrawal, "lifted": None})

    def restored(self, at: Position) -> "Editorial":
        """Return it after a restoration."""
        return self.decided(at).model_copy(update={"lifted": self.withdrawal})


NOTHING_DECIDED = Editorial()
