"""Names of TLVs and header flags, as MCUboot's `bootutil/image.h` and imgtool have them."""

TLV_NAMES = {
    0x01: "KEYHASH",
    0x02: "PUBKEY",
    0x10: "SHA256",
    0x11: "SHA384",
    0x12: "SHA512",
    0x20: "RSA2048",
    0x21: "ECDSA224",
    0x22: "ECDSA_SIG",
    0x23: "RSA3072",
    0x24: "ED25519",
    0x25: "SIG_PURE",
    0x30: "ENC_RSA2048",
    0x31: "ENC_KW",
    0x32: "ENC_EC256",
    0x33: "ENC_X25519",
    0x34: "ENC_X25519_SHA512",
    0x40: "DEPENDENCY",
    0x50: "SEC_CNT",
    0x60: "BOOT_RECORD",
    0x70: "DECOMP_SIZE",
    0x71: "DECOMP_SHA",
    0x72: "DECOMP_SIGNATURE",
    0x73: "COMP_DEC_SIZE",
    0x74: "UUID_VID",
    0x75: "UUID_CID",
}
FIRST_VENDOR_TLV = 0x00A0

FLAG_NAMES = {
    0x0001: "PIC",
    0x0004: "ENCRYPTED_AES128",
    0x0008: "ENCRYPTED_AES256",
    0x0010: "NON_BOOTABLE",
    0x0020: "RAM_LOAD",
    0x0100: "ROM_FIXED",
    0x0200: "COMPRESSED_LZMA1",
    0x0400: "COMPRESSED_LZMA2",
    0x0800: "COMPRESSED_ARM_THUMB",
}


def tlv_name(kind: int) -> str:
    """The name of a TLV's type; numbers without one are shown in hex."""
    if kind in TLV_NAMES:
        return TLV_NAMES[kind]
    return f"{'vendor' if kind >= FIRST_VENDOR_TLV else 'unknown'} 0x{kind:04x}"


def flag_names(flags: int) -> tuple[str, ...]:
    """The names of the flags that are set; bits without one are shown in hex."""
    named = tuple(name for bit, name in FLAG_NAMES.items() if flags & bit)
    rest = flags & ~sum(FLAG_NAMES)
    return (*named, f"0x{rest:x}") if rest else named
