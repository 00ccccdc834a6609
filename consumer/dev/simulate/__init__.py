"""Capacity planning: the real scheduler and the engine's choice of steps on virtual time, for `leadart simulate`."""
