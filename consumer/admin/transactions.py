"""What redriving, purging and replaying share: why a transaction failed, and refused records."""

from dataclasses import dataclass, field
from typing import Final

from consumer.delivery.ports import BusError
from consumer.kafka.producer import was_fenced

REFUSALS_NAMED: Final = 20


@dataclass(slots=True, kw_only=True)
class RefusalReport:
    """How many records were `refused`; `refusals` names the first: PARTITION:OFFSET and the reason."""

    refused: int = 0
    refusals: list[tuple[str, str]] = field(default_factory=list)

    def refuse(self, at: object, why: str) -> None:
        """Count a refused record."""
        self.refused += 1
        if len(self.refusals) < REFUSALS_NAMED:
            self.refusals.append((str(at), why))


def explain_unconfirmed(error: BusError, competitor: str) -> str:
    """Return why it is unknown whether a transaction was committed. `competitor` says who may have fenced it."""
    if was_fenced(error):
        return f"{competitor}, or Kafka ended the transaction for its age"
    return f"Kafka did not confirm it ({error})"
