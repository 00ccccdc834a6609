"""A newsroom's day through the real policy, latest wins, choices and pipeline on virtual time."""
