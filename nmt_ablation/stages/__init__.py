"""The stages before training, in the order data flows: corpora, then tokens and vectors."""
