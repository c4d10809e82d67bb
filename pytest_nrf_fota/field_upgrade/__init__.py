"""An upgrade of one board without a probe, as `nrf-fota upgrade` does it."""
