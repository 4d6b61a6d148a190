"""Helpers of HTML forms and lists: blank filters, links between pages of a list, forms to schemas."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, ValidationError

from app.core.clock import SHANGHAI
from app.core.messages import message
from app.core.page_parts import Pager
from app.core.pagination import PageRequest
from app.errors import Invalid

M = TypeVar("M", bound=BaseModel)

blank_is_none = BeforeValidator(lambda value: None if value == "" else value)
"""A select left at 全部 sends an empty text: no filter."""


def pager(
    path: str, filters: Mapping[str, object], paging: PageRequest, next_cursor: str | None
) -> Pager:
    """Links to the first and the next page with the same filters. Back is the browser's."""
    kept = {name: value for name, value in filters.items() if value not in ("", None)}

    def href(**more: str) -> str:
        query = urlencode({**kept, **more})
        return f"{path}?{query}" if query else path

    return Pager(
        next_href=href(cursor=next_cursor) if next_cursor else None,
        first_href=href() if paging.cursor else None,
    )


def parse(schema: type[M], values: Mapping[str, Any]) -> M:
    """The schema of a form's values. Raises Invalid with a message per field."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise Invalid(errors=form_messages(error)) from error


def local_moment(text: str, field: str) -> datetime:
    """What a datetime-local field sends, in the time zone people here live in. Raises Invalid."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
    except ValueError as error:
        raise Invalid(errors={field: "时间格式不正确"}) from error


def form_messages(error: ValidationError) -> dict[str, str]:
    """Field → message; what concerns the whole form stands under `form`."""
    messages: dict[str, str] = {}
    for item in error.errors():
        field = str(item["loc"][0]) if item["loc"] else "form"
        messages.setdefault(field, message(item))
    return messages
