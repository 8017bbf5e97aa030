"""The contract of StreamTTS: names, records, plan, fold, limits. Pure: no I/O, no clock, no randomness."""
