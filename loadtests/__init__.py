"""Load on an emulator: users on Locust, receivers that check what comes, thresholds that decide. ``python -m loadtests``."""
