"""The answer of `GET /internal/services/general/v1/server`, without a token, since mid-2021."""

from __future__ import annotations

from typing import Any

__all__ = ["SERVER", "server_info"]

SERVER = "/internal/services/general/v1/server"
_VERSIONS = {
    "2021": ("2021.Q4.860", "2021.Q4.860"),
    "2022": ("2022.Q2.975", "2022.Q1.874"),
    "2023": ("2023.Q1.1223", "2022.Q2.975"),
}
_MOBILE = {
    "mobile_redirect": "mobile.twake.app",
    "mobile_appstore": "https://apps.apple.com/fr/app/twake/id1588764852?l=en",
    "mobile_googleplay": ("https://play.google.com/store/apps/details?id=com.twake.twake&gl=FR"),
}
_CONSOLE = "http://web.twake-console.local"


def server_info(release: str) -> dict[str, Any]:
    """Return the version, and the configuration of an unchanged installation."""
    current, minimal = _VERSIONS[release]
    mobile = {} if release == "2021" else {"mobile": _MOBILE}
    newer = {"app_download_url": "https://twake.app/download"} if release == "2023" else {}
    return {
        "status": "ready",
        "version": {"current": current, "minimal": {"web": minimal, "mobile": minimal}},
        "configuration": {
            "help_url": False,
            "pricing_plan_url": "",
            **mobile,
            **newer,
            "accounts": {
                "type": "internal",
                "console": _console(release),
                "internal": {"disable_account_creation": False},
            },
        },
    }


def _console(release: str) -> dict[str, str]:
    suffix = "?company-code={company_id}" if release == "2023" else ""
    return {
        "authority": "http://auth.example.com/",
        "client_id": "twakeweb",
        "account_management_url": f"{_CONSOLE}/profile{suffix}",
        "company_management_url": f"{_CONSOLE}/companies{suffix}",
        "collaborators_management_url": f"{_CONSOLE}/compaies/{{company_id}}/users{suffix}",
    }
