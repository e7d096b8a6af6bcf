"""Drawings of results: tables, sentences, a figure and a page. No results are computed here."""
