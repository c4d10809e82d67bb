"""The upgrade scenarios: `pytest --pyargs pytest_nrf_fota.scenarios --board NAME`."""
