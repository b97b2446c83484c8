"""Vocabulary of the field: identifiers, enumerations, fact tables, limits, errors. Knows nothing of any other package."""
