"""Send one event to one webhook."""

from dataclasses import dataclass
from datetime import datetime

import httpcore

from app import __version__
from app.notifications.errors import (
    ReceiverGone,
    TargetForbidden,
    TargetUnresolved,
    WebhookFailed,
)
from app.notifications.sending.guarded_http import post
from app.notifications.sending.result import Result, done, failed
from app.notifications.sending.standard_webhooks import headers_of

GONE = 410


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes where. `message_id` is the same in every attempt: receivers drop what they have."""

    url: str
    secret: str
    message_id: str
    body: bytes


def send(parcel: Parcel, *, at: datetime, allow_private: bool) -> Result:
    """One attempt; any 2xx is a success."""
    headers = {
        "content-type": "application/json; charset=utf-8",
        "user-agent": f"Qingka/{__version__}",
        **headers_of(parcel.secret, parcel.message_id, at, parcel.body),
    }
    try:
        answer = post(parcel.url, headers=headers, body=parcel.body, allow_private=allow_private)
    except TargetForbidden as error:
        return failed(TargetForbidden, error.detail, final=True)
    except TargetUnresolved as error:
        return failed(TargetUnresolved, error.detail)
    except httpcore.TimeoutException:
        return failed(WebhookFailed, "接收方没有在规定时间内应答")
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        return failed(WebhookFailed, f"无法连接接收方：{type(error).__name__} {error}")
    if 200 <= answer.status < 300:
        return done(answer.status)
    text = f"应答 {answer.status}：{answer.body[:200].decode('utf-8', 'replace')}"
    if answer.status == GONE:
        return failed(ReceiverGone, text, status=answer.status, final=True)
    return failed(WebhookFailed, text, status=answer.status)
