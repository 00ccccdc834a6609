"""What `leadart dev` prints while it listens: every outcome, and until then what is being painted."""

from rich.console import Console
from rich.text import Text

from consumer.jobs import Record
from consumer.kafka.announced import AnnouncedEvent, parse_announced
from schemas import names

_IDLE = "waiting for requests"


class Listening:
    """Prints outcomes as lines. Progress is a live line below them on a terminal, elsewhere a line for each request.

    Use it as a context, which draws the live line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status(_IDLE) if console.is_terminal else None
        self._painting: dict[str, AnnouncedEvent] = {}

    def __enter__(self) -> None:
        if self._status:
            self._status.start()

    def __exit__(self, *exc_info: object) -> None:
        if self._status:
            self._status.stop()

    def show(self, record: Record) -> None:
        """Show a record of the outcome or progress topic; others are passed over."""
        event = parse_announced(record)
        if event and event.type == names.IMAGE_PROGRESS:
            if event.request_id not in self._painting and not self._status:
                self._print(f"painting: {event.article} revision {event.revision}")
            self._painting[event.request_id] = event
        elif record.topic.endswith(names.OUTCOME):
            if event:
                self._painting.pop(event.request_id, None)
            self._print("\n  ".join([event.sentence, *event.urls]) if event else "a record that is no event")
        self._update()

    def _update(self) -> None:
        if self._status:
            steps = (f"{event.article} ({event.result})" for event in self._painting.values())
            self._status.update(Text(f"painting {'; '.join(steps)}" if self._painting else _IDLE))

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)
