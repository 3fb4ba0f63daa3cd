"""The commands of `stanine`, one module each."""
