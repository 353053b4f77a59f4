from tests.s3_server import bucket, road, s3_client, s3_credentials, s3_endpoint

__all__ = ["bucket", "road", "s3_client", "s3_credentials", "s3_endpoint"]
