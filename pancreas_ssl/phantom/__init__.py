"""A procedural abdominal CT in two steps: anatomy (a patient) and scanner (a source's picture of it)."""
