"""Several processes behind the DUIS port."""
