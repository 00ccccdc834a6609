"""The read model: articles, slots and requests, as the topics tell it. Pure, in memory, made anew at each start."""
