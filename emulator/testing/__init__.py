"""Helpers for the test suites of users."""
