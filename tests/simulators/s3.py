"""A local S3 server (moto, over HTTP) with one bucket; it honours ``If-None-Match`` and ``If-Match``, which a test checks first."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import boto3
from moto.server import ThreadedMotoServer

from audit.storage.copying import BucketAddress

ENVIRON = {"AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_DEFAULT_REGION": "us-east-1"}

_NUMBERS = count(1)


@contextmanager
def bucket() -> Iterator[BucketAddress]:
    """A running server's bucket, of a new name: the process remembers all. Whoever uses it has ``ENVIRON`` set."""
    name = f"logs-{next(_NUMBERS)}"
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        given = {"aws_access_key_id": "made-up", "aws_secret_access_key": "made-up", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=endpoint, **given)
        client.create_bucket(Bucket=name)
        client.close()
        yield BucketAddress(name=name, prefix="public", endpoint=endpoint)
    finally:
        server.stop()
