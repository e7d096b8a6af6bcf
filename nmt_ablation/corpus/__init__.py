"""Text in memory and on disk: read, clean, hold out, sample."""
