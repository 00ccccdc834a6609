"""What may make a trace's answer wrong, and what the store has beside it. Pure."""

from __future__ import annotations

from consumer.admin.trace.phrases import bare
from consumer.admin.trace.timeline import Timeline


def unannounced(timeline: Timeline) -> list[str]:
    """Return a sentence about pictures that are stored for the article and named by no outcome that was read."""
    uses = [use for use in timeline.store.uses if not use.announced and use.picture]
    if not uses:
        return []
    count = "1 picture" if len(uses) == 1 else f"{len(uses)} pictures"
    slots = ", ".join(sorted({use.slot for use in uses}))
    named = f"{count} of {timeline.article} for {slots} that no outcome named which was read, such as {uses[0].picture}"
    return [f"The store has {named}: announced before that, or painted and not announced yet."]


def caveats(timeline: Timeline) -> list[str]:
    """Return what may make the answer wrong, or is wrong with how the article is published."""
    search, used = timeline.search, sorted({request.place.partition for request in timeline.requests})
    found = []
    if len(used) > 1:
        found.append(
            f"Its requests are in partitions {', '.join(map(str, used))}: of several saves the newest wins only within "
            "one partition, so publish with the article id as the key and one partitioner."
        )
    elif used and used != [search.home]:
        found.append(
            f"Its requests are in partition {used[0]}, and Kafka's Java client would put them into {search.home}: the "
            "publisher partitions in another way, or uses another key."
        )
    if search.hidden:
        found.append(f"{search.hidden} offsets of the lanes are hidden behind a publisher's open transaction.")
    if timeline.group.policy_problem:
        found.append(f"The editorial policy cannot be read here: {bare(timeline.group.policy_problem)}.")
    found += [f"Not read: {where}." for where in search.unread]
    return found
