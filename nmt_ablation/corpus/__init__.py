"""From OPUS to samples: fetch, read, clean, hold out, sample."""
