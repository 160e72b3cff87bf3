"""The Service Quotas API for SageMaker. The memory quota is enforced but, as on AWS, not listed.

An increase is granted as soon as it is asked for; on AWS that takes hours, or a support case.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from seatrial.localcloud.api import ACCOUNT, AwsError, Handler, NotOurs, Place
from seatrial.localcloud.quotas import AccountQuotas, Quotas

_PREFIX = "ServiceQuotasV20190624"
# Codes from AWS's table of SageMaker's endpoints and quotas.
_QUOTA_NAMES = {
    "L-96300102": "Maximum total concurrency that can be allocated across all serverless endpoints",
    "L-99AD19BF": "Maximum number of serverless endpoints",
}
_FIELDS = {"L-96300102": "total_concurrency", "L-99AD19BF": "endpoints"}


class ServiceQuotas:
    """The Service Quotas API for SageMaker; other services' quotas are moto's."""

    def __init__(self, place: Place, account: AccountQuotas, default: Quotas) -> None:
        self._place, self._account, self._default = place, account, default
        self._requests: list[dict[str, Any]] = []

    def handlers(self) -> dict[str, Handler]:
        """The calls that this answers."""
        calls = {
            "GetServiceQuota": self._getter(lambda: self._account.current),
            "GetAWSDefaultServiceQuota": self._getter(lambda: self._default),
            "ListServiceQuotas": self._lister(lambda: self._account.current),
            "ListAWSDefaultServiceQuotas": self._lister(lambda: self._default),
            "RequestServiceQuotaIncrease": self._increase,
            "ListRequestedServiceQuotaChangeHistory": self._history,
            "ListRequestedServiceQuotaChangeHistoryByQuota": self._history,
        }
        handlers = {f"{_PREFIX}.{name}": _for_sagemaker(call) for name, call in calls.items()}
        return {**handlers, f"{_PREFIX}.GetRequestedServiceQuotaChange": self._request}

    def _getter(self, quotas: Callable[[], Quotas]) -> Handler:
        return lambda request: {"Quota": self._describe(_code(request), quotas())}

    def _lister(self, quotas: Callable[[], Quotas]) -> Handler:
        return lambda _: {"Quotas": [self._describe(code, quotas()) for code in _FIELDS]}

    def _increase(self, request: dict[str, Any]) -> dict[str, Any]:
        code, desired = _code(request), request["DesiredValue"]
        current = _value(code, self._account.current)
        if desired <= current:
            raise AwsError(
                "IllegalArgumentException",
                f"localcloud: DesiredValue {desired:g} for {code}; ask for more than the "
                f"{current} that the account has",
            )
        self._account.current = replace(self._account.current, **{_FIELDS[code]: int(desired)})
        now, described = datetime.now(UTC), self._describe(code, self._account.current)
        del described["Value"], described["Adjustable"]
        self._requests.append(
            {
                **described,
                "Id": uuid.uuid4().hex,
                "DesiredValue": float(desired),
                "Status": "APPROVED",
                "Created": now,
                "LastUpdated": now,
                "Requester": f'{{"accountId":"{ACCOUNT}"}}',
            }
        )
        return {"RequestedQuota": self._requests[-1]}

    def _history(self, request: dict[str, Any]) -> dict[str, Any]:
        wanted = [
            item
            for item in self._requests
            if request.get("QuotaCode") in (None, item["QuotaCode"])
            and request.get("Status") in (None, item["Status"])
        ]
        return {"RequestedQuotas": wanted}

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        for item in self._requests:
            if item["Id"] == request["RequestId"]:
                return {"RequestedQuota": item}
        raise AwsError(
            "NoSuchResourceException", f"localcloud: no request {request['RequestId']!r}"
        )

    def _describe(self, code: str, quotas: Quotas) -> dict[str, Any]:
        return {
            "ServiceCode": "sagemaker",
            "ServiceName": "Amazon SageMaker",
            "QuotaArn": self._place.arn(f"sagemaker/{code}", service="servicequotas"),
            "QuotaCode": code,
            "QuotaName": _QUOTA_NAMES[code],
            "Value": float(_value(code, quotas)),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }


def _value(code: str, quotas: Quotas) -> int:
    value: int = getattr(quotas, _FIELDS[code])
    return value


def _code(request: dict[str, Any]) -> str:
    code: str = request["QuotaCode"]
    if code not in _FIELDS:
        raise AwsError(
            "NoSuchResourceException",
            f"localcloud: no quota {code!r}; it has {', '.join(_FIELDS)}",
        )
    return code


def _for_sagemaker(handler: Handler) -> Handler:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if request.get("ServiceCode", "sagemaker") != "sagemaker":
            raise NotOurs
        return handler(request)

    return answer
