"""/docs: the REST API as a page, made from the OpenAPI document; nothing is loaded from elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.responses import HTMLResponse

from app.core.routing import Router
from app.core.templating import render

router = Router(include_in_schema=False)

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter or field of a body; `where` is path, query, header or body."""

    name: str
    where: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    id: str
    method: str
    path: str
    summary: str
    fields: tuple[Field, ...]
    answers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The operations of one tag."""

    name: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class ApiDocsPage:
    """system/api_docs.html."""

    title: str
    api_version: str
    groups: tuple[Group, ...]


@router.get("/docs")
def api_docs(request: Request) -> HTMLResponse:
    """Every path with its parameters, body and answers."""
    document: dict[str, Any] = request.app.openapi()
    page = ApiDocsPage(
        document["info"]["title"], document["info"]["version"], tuple(groups_of(document))
    )
    return render(request, "system/api_docs.html", page)


def groups_of(document: Schema) -> list[Group]:
    """The operations by their first tag, in the order of the document."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["其他"])[0]
            found.setdefault(tag, []).append(_operation(document, path, method, operation))
    return [Group(name, tuple(operations)) for name, operations in found.items()]


def _operation(document: Schema, path: str, method: str, operation: Schema) -> Operation:
    fields = [_parameter(one) for one in operation.get("parameters", ())]
    fields += _body_fields(document, operation)
    answers = [
        (status, str(answer.get("description", "")))
        for status, answer in operation["responses"].items()
    ]
    text = str(operation.get("description") or operation.get("summary") or "")
    return Operation(
        id=f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}",
        method=method.upper(),
        path=path,
        summary=text.split("\n\n")[0],
        fields=tuple(fields),
        answers=tuple(answers),
    )


def _parameter(one: Schema) -> Field:
    return Field(
        one["name"],
        one["in"],
        _kind(one.get("schema", {})),
        bool(one.get("required", False)),
        str(one.get("description", "")),
    )


def _body_fields(document: Schema, operation: Schema) -> list[Field]:
    content = operation.get("requestBody", {}).get("content", {})
    for media in content.values():
        schema = _resolved(document, media.get("schema", {}))
        required = set(schema.get("required", ()))
        return [
            Field(name, "body", _kind(one), name in required, str(one.get("description", "")))
            for name, one in schema.get("properties", {}).items()
        ]
    return []


def _resolved(document: Schema, schema: Schema) -> Schema:
    """The schema a reference, or the one way that is not null, leads to."""
    for one in schema.get("anyOf", ()):
        if one.get("type") != "null":
            return _resolved(document, one)
    if "$ref" not in schema:
        return schema
    found: Schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return found


def _kind(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[1]
    if "anyOf" in schema:
        return " | ".join(_kind(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    kind = str(schema.get("type", "any"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind
