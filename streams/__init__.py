"""The only code that talks to S2: a small port, the adapter over the SDK, and an in-memory store with its rules."""
