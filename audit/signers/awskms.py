"""Keys of AWS KMS, through ``boto3``: two calls, ``GetPublicKey`` once and ``Sign`` for each signature.

Key specs ``ECC_NIST_P256`` (``ECDSA_SHA_256``) and ``ECC_NIST_EDWARDS25519`` (``ED25519_SHA_512``, which is pure Ed25519).
Credentials are the SDK's own business. A call that fails is ``SignerUnavailable``, with the service's error code
and nothing of its message.
Source: AWS KMS API reference, ``Sign``, ``GetPublicKey``.
"""

import hashlib
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from audit import keys
from audit.errors import MalformedError, SignerUnavailable
from audit.signers.uri import KmsKey

TIMEOUT_S = 2.0
TRIES = 3
MAX_MESSAGE = 4096
"""Most bytes that ``Sign`` takes as they are."""


class _Kms:
    """One key of the service, and its client."""

    def __init__(self, place: KmsKey, algorithm: str) -> None:
        self._place, self._algorithm = place, algorithm
        retries = {"total_max_attempts": TRIES, "mode": "standard"}
        config = Config(connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries=retries)
        try:
            self._client = boto3.client(
                "kms", region_name=place.region or None, endpoint_url=place.endpoint or None, config=config
            )
        except BotoCoreError as cause:
            raise SignerUnavailable(f"the key service cannot be asked: {type(cause).__name__}") from None

    def public(self) -> bytes:
        """The key's SPKI; raises ``MalformedError`` unless it signs in our way, ``SignerUnavailable``."""
        found = self._call("get_public_key")
        if self._algorithm not in found.get("SigningAlgorithms", ()):
            raise MalformedError(f"expected a key that signs with {self._algorithm}", code="public-key")
        return bytes(found["PublicKey"])

    def sign(self, message: bytes, kind: str) -> bytes:
        """The service's signature over a message (``RAW``) or its digest (``DIGEST``)."""
        found = self._call("sign", Message=message, MessageType=kind, SigningAlgorithm=self._algorithm)
        return bytes(found["Signature"])

    def _call(self, name: str, **more: object) -> Any:
        try:
            return getattr(self._client, name)(KeyId=self._place.key, **more)
        except ClientError as cause:
            code = str(cause.response.get("Error", {}).get("Code", "unknown"))[:60]
            raise SignerUnavailable(
                f"the key service refuses to {name.replace('_', ' ')} of `{self._place.key}`: {code}"
            ) from None
        except BotoCoreError as cause:
            raise SignerUnavailable(f"the key service does not answer: {type(cause).__name__}") from None


class P256:
    """An issuing key in KMS; a ``keys.RecordSigner``."""

    def __init__(self, place: KmsKey) -> None:
        self._kms = _Kms(place, "ECDSA_SHA_256")
        self.public_der = keys.p256_of_spki(self._kms.public())
        self.keyid = keys.keyid(self.public_der)

    def sign(self, message: bytes) -> bytes:
        """DER signature over ``message``."""
        if len(message) > MAX_MESSAGE:
            return self._kms.sign(hashlib.sha256(message).digest(), "DIGEST")
        return self._kms.sign(message, "RAW")


class Ed25519:
    """A log key in KMS; a ``keys.LogSigner``. A checkpoint's text is sent as it is, which the algorithm needs."""

    def __init__(self, place: KmsKey, name: str) -> None:
        self._kms = _Kms(place, "ED25519_SHA_512")
        self.name = name
        self.public = keys.ed25519_of_spki(self._kms.public())

    def sign(self, message: bytes) -> bytes:
        """64-byte signature over ``message``; raises ``MalformedError`` over a message that the service does not take."""
        if len(message) > MAX_MESSAGE:
            raise MalformedError(f"expected at most {MAX_MESSAGE} bytes to sign", code="checkpoint")
        return self._kms.sign(message, "RAW")
