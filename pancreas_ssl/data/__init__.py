"""From a data card to volumes in one orientation and one unit: cards, access, reading, preflight, preprocessing."""
