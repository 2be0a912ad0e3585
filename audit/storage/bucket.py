"""Objects on S3-compatible storage, with conditional writes (``If-None-Match: *``, ``If-Match``), which the storage must honour."""

import errno
from datetime import timedelta
from typing import NoReturn

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from audit.storage.copying import BucketAddress

TIMEOUT = timedelta(seconds=10)
"""Longest wait for one answer, and for all tries of one request."""


class Bucket:
    """Objects of a bucket below a prefix. Credentials come from the environment, or from the machine's role."""

    def __init__(self, address: BucketAddress) -> None:
        self._store = S3Store(
            address.name,
            prefix=address.prefix or None,
            region=address.region,
            endpoint=address.endpoint,
            client_options={"allow_http": (address.endpoint or "").startswith("http://"), "timeout": TIMEOUT},
            retry_config={"max_retries": 2, "retry_timeout": TIMEOUT},
        )

    def get(self, path: str) -> tuple[bytes, str]:
        """Content and version of an object; raises ``FileNotFoundError``, ``OSError``."""
        try:
            found = obstore.get(self._store, path)
            return bytes(found.bytes()), str(found.meta["e_tag"])
        except FileNotFoundError:
            raise FileNotFoundError(path) from None
        except BaseError as error:
            _raise(error, path)

    def create(self, path: str, content: bytes) -> bool:
        """Put an object where there is none; raises ``OSError``."""
        try:
            obstore.put(self._store, path, content, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            _raise(error, path)
        return True

    def swap(self, path: str, content: bytes, version: str) -> bool:
        """Replace an object of a version; raises ``OSError``."""
        try:
            obstore.put(self._store, path, content, mode={"e_tag": version}, use_multipart=False)
        except PreconditionError:
            return False
        except (BaseError, OSError) as error:
            _raise(error, path)
        return True


def _raise(error: Exception, path: str) -> NoReturn:
    """As an error of a disk, without what the storage said: it may quote requests."""
    raise OSError(errno.EIO, f"the bucket does not take or give it ({type(error).__name__})", path) from None
