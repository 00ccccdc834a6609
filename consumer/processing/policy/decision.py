"""What a policy decides about one request. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from schemas import ImageRequested


class OlderSaves(StrEnum):
    """What becomes of older saves of a slot when a newer one is declined: they end, or they get their pictures."""

    END = "end"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """What the first rule that matches says of a request, or what holds without one (`rule` is None).

    `style` and `variants` replace the request's own, None: they stand. With `needs_approval` nothing is painted before
    an editor approves, and after `approval_seconds` nothing ever. `settle_seconds`, at most 300: how long the request
    waits for a newer one. `version` names the policy that decided; empty without one.
    """

    rule: str | None = None
    message: str = ""
    never: bool = False
    older: OlderSaves = OlderSaves.END
    style: str | None = None
    variants: int | None = None
    needs_approval: bool = False
    approval_seconds: float = 0.0
    settle_seconds: float = 0.0
    version: str = ""

    def applied_to(self, request: ImageRequested) -> ImageRequested:
        """Return the request as it is to be painted: with the rule's style and number of variants, if it has any."""
        changed = request
        if self.style is not None:
            changed = changed.model_copy(update={"style": changed.style.model_copy(update={"preset": self.style})})
        if self.variants is not None:
            output = changed.output.model_copy(update={"variants": self.variants})
            changed = changed.model_copy(update={"output": output})
        return changed


NO_POLICY = PolicyDecision()
"""What is decided where a site has no policy: everything is painted as requested."""
