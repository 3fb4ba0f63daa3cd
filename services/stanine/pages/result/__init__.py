"""The result of a participant: profile, figures, texts, print and CSV."""
