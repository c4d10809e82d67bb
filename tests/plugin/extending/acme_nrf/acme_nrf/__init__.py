"""Acme's extension of pytest-nrf-fota."""
