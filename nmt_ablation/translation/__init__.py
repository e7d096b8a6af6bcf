"""Translation of the test and validation sets."""
