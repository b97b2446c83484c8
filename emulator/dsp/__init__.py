"""The Data Service Provider: access control, inventory, transactions, firmware distribution, alerts."""
