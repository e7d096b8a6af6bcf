"""The stages from corpora to scores; `pipeline` connects them."""
