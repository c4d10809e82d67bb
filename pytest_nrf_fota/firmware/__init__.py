"""Firmware artifacts: images, fw_info, DFU packages, hex files, signing."""
