"""Trace: everything that is known of one article, in time order, and why it has no picture.

`tracing` reads the topics (in no group, so no worker notices) and then the store; `timeline` holds what was found as
frozen values; `explanation` turns them into a sentence, without reading anything.
"""
