"""One module per command of nrf-fota: options in, text out. No logic."""
