"""Scores of fills with their intervals, checks, reports, and runs side by side."""
