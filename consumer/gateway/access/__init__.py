"""Who gets in, and what they may do: API keys, sessions, tokens of an issuer."""
