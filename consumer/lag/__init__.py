"""How far behind the group is: backlog, throughput and age by lane, and what an operator should make of them."""
