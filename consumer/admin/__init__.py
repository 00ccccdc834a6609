"""What operators do: dead letters, replays, heads, partition growth, and the checks of `leadart doctor`."""
