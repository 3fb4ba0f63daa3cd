"""The survey: welcome, questions, review, thank-you."""
