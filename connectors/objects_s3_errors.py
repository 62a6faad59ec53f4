"""What S3 and its client say, to errors a person can act on.

Only codes are told: the texts of S3 repeat key ids, and those of the client addresses.
"""

from __future__ import annotations

from botocore.exceptions import (
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as NoConnectionError

from connectors.objects import MissingObjectError
from schemas.errors import ConfigError, ConnectorError, MissingTableError, ParityError, TransientConnectorError

__all__ = ["ABSENT", "ATTEMPTS", "BUSY", "NO_BUCKET", "RACED", "REFUSED_CONDITION", "code_of", "missing_bucket", "of_client", "of_code"]

ATTEMPTS = 5
"""How often a request that may be repeated is made, the first time included."""

ABSENT = {"404", "NoSuchKey", "NotFound"}
REFUSED_CONDITION = {"412", "PreconditionFailed"}
RACED = {"409", "ConditionalRequestConflict", "OperationAborted"}
NO_BUCKET = {"NoSuchBucket"}
_DENIED = {"403", "AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden"}
_BAD_CREDENTIALS = {
    "ExpiredToken", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken", "SignatureDoesNotMatch", "TokenRefreshRequired",
    "UnrecognizedClientException",
}  # fmt: skip
_OTHER_REGION = {"301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "TemporaryRedirect"}
BUSY = {
    "429", "500", "502", "503", "504", "BandwidthLimitExceeded", "InternalError", "RequestLimitExceeded", "RequestTimeout",
    "ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException",
}  # fmt: skip
_FULL = {"507", "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"}


def code_of(error: ClientError) -> str:
    """Return the code in an answer of S3."""
    return str(error.response.get("Error", {}).get("Code", ""))


def missing_bucket(uri: str, bucket: str) -> MissingTableError:
    """Return what to raise where there is no bucket."""
    return MissingTableError(f"{uri}: there is no bucket {bucket}.", object=uri, hint="Check its name and the endpoint, or create it.")


def of_code(code: str, uri: str, bucket: str, doing: str) -> ParityError:
    """Return what to raise for an error code of S3."""
    if code in NO_BUCKET:
        return missing_bucket(uri, bucket)
    if code in ABSENT:
        return MissingObjectError(f"There is no {uri}.", object=uri)
    if code in _DENIED:
        return ConnectorError(
            f"Cannot {doing} {uri}: access is denied ({code}).",
            object=uri,
            hint="It needs s3:ListBucket on the bucket; s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload below it.",
        )
    if code in _BAD_CREDENTIALS:
        return ConnectorError(
            f"Cannot {doing} {uri}: the credentials are not accepted ({code}).",
            object=uri,
            hint="Log in again, or check AWS_PROFILE and the variables AWS_…; they belong to the service of this endpoint.",
        )
    if code in _OTHER_REGION:
        return ConfigError(
            f"Cannot {doing} {uri}: the bucket is in another region ({code}).", object=uri, hint="Give its region, option region=…."
        )
    if code in _FULL:
        return ConnectorError(
            f"Cannot {doing} {uri}: no space is left for it ({code}).", object=uri, hint="Free space or a quota, then resume."
        )
    if code in BUSY:
        return TransientConnectorError(
            f"Cannot {doing} {uri}: the service was busy {ATTEMPTS} times ({code}).",
            object=uri,
            hint="Run again, later or with fewer at once.",
        )
    if code in ("KeyTooLongError", "InvalidBucketName", "InvalidURI"):
        return ConfigError(f"Cannot {doing} {uri}: S3 has no such name ({code}).", object=uri, hint="Use a shorter or simpler one.")
    return ConnectorError(
        f"Cannot {doing} {uri}: S3 refused ({code or 'without a code'}).", object=uri, hint="Look that code up at the service."
    )


def of_client(error: BaseException, uri: str, doing: str) -> ParityError:
    """Return what to raise for an error of the client itself."""
    name = type(error).__name__
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return ConfigError(
            f"Cannot {doing} {uri}: no AWS credentials were found.",
            object=uri,
            hint="Log in (aws sso login, AWS_PROFILE), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    if isinstance(error, NoRegionError):
        return ConfigError(f"Cannot {doing} {uri}: no region is known.", object=uri, hint="Set AWS_REGION, or option region=….")
    if isinstance(error, ProfileNotFound):
        return ConfigError(f"Cannot {doing} {uri}: there is no such AWS profile.", object=uri, hint="Check AWS_PROFILE.")
    if isinstance(error, (ParamValidationError, ValueError)):
        return ConfigError(
            f"Cannot {doing} {uri}: the client refuses this name or endpoint.", object=uri, hint="Check bucket and endpoint."
        )
    if isinstance(error, (NoConnectionError, HTTPClientError, ReadTimeoutError, IncompleteReadError, ResponseStreamingError)):
        return TransientConnectorError(
            f"Cannot {doing} {uri}: the connection failed ({name}).", object=uri, hint="Check endpoint and network, then run again."
        )
    return ConnectorError(f"Cannot {doing} {uri}: {name}.", object=uri, hint="Check the AWS configuration of this machine.")
