"""Dead letters in an operator's hands: listed, redriven, purged, with nothing but Kafka and while workers run.

The dead-letter topic also records what was done: for each dead letter that was redriven or purged, a small *mark*
follows it in the same partition, written in the transaction that did it. A run that acts on a partition first fences
every earlier run, then reads all marks, and only then writes. So nothing is done twice, however an earlier run ended.
"""
