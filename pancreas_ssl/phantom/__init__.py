"""A procedural abdominal CT in two steps that stay apart: anatomy (a patient) and scanner (a source's picture of it)."""
