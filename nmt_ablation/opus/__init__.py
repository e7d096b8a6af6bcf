"""Text from OPUS: find, list, fetch, mirror, lock."""
