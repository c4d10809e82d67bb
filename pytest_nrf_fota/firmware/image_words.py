"""Words on an image that are written into a flight recorder and read again from there."""

MCUBOOT_ACCEPTS = "MCUboot accepts"
CARRIES_KEY = "carries the whole key"
HASH_DIFFERS = "the hash differs from the content"
NOT_SIGNED = "not signed"
SIGNED_WITH_KEY = "signed with key"
