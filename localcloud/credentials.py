"""What a client needs in its environment to talk to a localcloud."""

from __future__ import annotations

from seatrial.localcloud.api import Place
from seatrial.localcloud.audit import Keys

# A person's. Any will do: localcloud checks no signatures.
PERSON = Keys("localcloud", "localcloud", "localcloud")


def client_environment(endpoint_url: str, region: str, keys: Keys = PERSON) -> dict[str, str]:
    """The variables with which boto3, the AWS CLI and others find this cloud and no other."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_SESSION_TOKEN": keys.session_token,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def sandbox_environment(place: Place, keys: Keys) -> dict[str, str]:
    """The same for what runs inside of the cloud, with its role's credentials."""
    return client_environment(place.endpoint_url, place.region, keys)
