"""Evaluation that can be trusted: scores, their intervals, a report, and runs side by side."""
