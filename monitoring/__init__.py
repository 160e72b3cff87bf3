"""Prediction log, summaries, drift, quality, label scoring, reactions."""
