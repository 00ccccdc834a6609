"""Dead letters in an operator's hands: looked through, redriven, purged; with nothing but Kafka, under running workers.

The dead-letter topic is also the book of what was done: for each letter that was redriven or purged a small *mark* lies
behind it in the same partition, written in the transaction that did it. Whoever acts on a partition first fences
whoever did before, then reads all marks, and only then writes. So nothing is done twice, however an earlier run ended.
"""
