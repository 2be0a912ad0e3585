"""Request ids: UUIDv7 (RFC 9562, section 5.7), so that they sort by time; clock and randomness are arguments."""

from audit.vocabulary import RequestId

RANDOM_BYTES = 10


def uuid7(unix_ms: int, randomness: bytes) -> RequestId:
    """A UUIDv7 of a time in milliseconds since 1970 and ten random bytes.

    Raises ``ValueError`` for another number of random bytes or a time beyond 48 bits.
    """
    if len(randomness) != RANDOM_BYTES or not 0 <= unix_ms < 1 << 48:
        raise ValueError(f"expected {RANDOM_BYTES} random bytes and a time of 48 bits")
    value = bytearray(unix_ms.to_bytes(6, "big") + randomness)
    value[6] = 0x70 | value[6] & 0x0F
    value[8] = 0x80 | value[8] & 0x3F
    digits = value.hex()
    return RequestId(f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}")
