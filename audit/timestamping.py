"""Timestamp requests and tokens (RFC 3161) through ``rfc3161-client``: the one module that imports it, an optional extra.

A token binds a message to a time that its authority states. It holds if the authority's certificate leads to a trusted root, was
valid at that time, and is for timestamping only (RFC 3161, 2.3); and if it is over the very bytes.
"""

from datetime import datetime

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client import VerificationError as TokenError

from audit.errors import VerificationError

MAX_TOKEN_BYTES = 65_536
"""A response with its certificates; one is about 1 to 7 kB."""
MEDIA_TYPE = "application/timestamp-query"


def request(message: bytes) -> TimeStampRequest:
    """A request for a token over SHA-256 of a message, with a nonce, that asks for the authority's certificate."""
    return (
        TimestampRequestBuilder()
        .data(message)
        .hash_algorithm(HashAlgorithm.SHA256)
        .nonce()
        .cert_request(cert_request=True)
        .build()
    )


def check(response: bytes, message: bytes, roots: tuple[bytes, ...], asked: TimeStampRequest | None = None) -> datetime:
    """The time that a response states for a message. ``roots``: DER. ``asked``: the request that it must answer.

    Raises ``VerificationError`` (code ``timestamp``).
    """
    if len(response) > MAX_TOKEN_BYTES:
        raise VerificationError(f"expected a token of at most {MAX_TOKEN_BYTES} bytes", code="timestamp")
    builder = VerifierBuilder() if asked is None else VerifierBuilder.from_request(asked)
    try:
        for root in roots:
            builder = builder.add_root_certificate(x509.load_der_x509_certificate(root))
        found = decode_timestamp_response(response)
        builder.build().verify_message(found, message)
        return found.tst_info.gen_time
    except (TokenError, ValueError, TypeError) as cause:
        raise VerificationError(f"the timestamp does not hold: {str(cause)[:200]}", code="timestamp") from cause
