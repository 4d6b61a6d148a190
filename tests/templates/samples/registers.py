"""Samples of the registers in the settings, and of the ledger."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from app.core.page_parts import Pager
from app.enterprises.contexts import EnterpriseForm, EnterprisePage, EnterpriseRow, EnterprisesPage
from app.invoices.contexts import InvoicePage, InvoiceRow, InvoicesPage
from app.operators.contexts import OperatorEditPage, OperatorForm, OperatorLine, OperatorsPage

from .frame import ENTERPRISES, NOW, PAGER, PEOPLE, layout

ENTERPRISE_FORM = EnterpriseForm(
    tax_no="91320118MA20LU6N3P",
    name="南京德茂商贸有限公司",
    tax_authority_code="13201180000",
    tax_authority_name="国家税务总局南京市溧水区税务局",
    contact_name="王晓梅",
    contact_phone="025-84110021",
    review_required=True,
    revision=3,
)


ENTERPRISE_LIST = EnterprisesPage(
    "",
    50,
    tuple(
        EnterpriseRow(
            f"e{index}", name, "91320118MA20LU6N3P", "溧水区税务局", cycle, "王晓梅", phone, True
        )
        for index, (name, cycle, phone) in enumerate(
            [
                ("南京德茂商贸有限公司", "monthly", "025-84110021"),
                ("无锡云帆科技有限公司", "quarterly", ""),
            ]
        )
    ),
    PAGER,
    EnterpriseForm(review_required=True),
    True,
)


ENTERPRISE_INVALID = replace(
    ENTERPRISE_LIST,
    dialog_open=True,
    form=ENTERPRISE_FORM,
    errors={"tax_no": "纳税人识别号不正确", "form": "没有登记"},
)


ENTERPRISE_LIST_EMPTY = EnterprisesPage("", 20, (), Pager(), EnterpriseForm(), True)


ENTERPRISE = EnterprisePage("e1", ENTERPRISE_FORM.name, ENTERPRISE_FORM, True, can_hand_over=True)


ENTERPRISE_HANDOVER = replace(
    ENTERPRISE,
    asked=True,
    from_account="zhao",
    to_account="sun",
    handover_errors={"to_account": "没有这个用户名的账号"},
)


ENTERPRISE_STALE = replace(ENTERPRISE, errors={"form": "数据已被他人修改。请重新读取后再修改。"})


ENTERPRISE_READ_ONLY = replace(ENTERPRISE, can_change=False)


OPERATOR_FORM = OperatorForm(
    code="KP0012", name="王晓梅", enterprise_id="e1", department="财务部", active=True, revision=2
)


OPERATOR_LINES = OperatorsPage(
    "",
    "",
    50,
    ENTERPRISES,
    tuple(
        OperatorLine(f"o{i}", p[1], p[0], p[3], "财务部" if i else "", "025-84110021", i != 3, 1)
        for i, p in enumerate(PEOPLE)
    ),
    PAGER,
    OperatorForm(active=True),
    True,
)


OPERATOR_LINES_INVALID = replace(
    OPERATOR_LINES, dialog_open=True, form=OPERATOR_FORM, errors={"code": "格式不正确"}
)


OPERATOR_LINES_EMPTY = replace(OPERATOR_LINES, rows=(), enterprises=(), pager=Pager())


OPERATOR_EDIT = OperatorEditPage(
    "o0", "王晓梅", ENTERPRISES, 1, OPERATOR_FORM, True, can_hand_over=True
)


OPERATOR_HANDOVER = replace(
    OPERATOR_EDIT,
    asked=True,
    receiver_code="KP0044",
    handover_errors={
        "form": "有未完成的清卡申请，暂时不能移交。等清卡结束，或取消该申请后再移交。"
    },
)


INVOICE = InvoiceRow(
    "i1",
    "007",
    "032002100311",
    "20117764",
    NOW,
    "苏州锦程物流有限公司",
    Decimal("1284.50"),
    Decimal("166.99"),
    "normal",
    True,
    False,
    "uncleared",
)


INVOICES = InvoicesPage(
    "",
    "2026-11",
    "",
    "",
    "d1",
    "o0",
    "",
    50,
    (
        INVOICE,
        replace(INVOICE, clearing_status="cleared", status="red", amount=Decimal("-20.00")),
        replace(INVOICE, uploaded=False, status="void"),
        replace(INVOICE, number="", code="", draft=True, buyer_name=""),
    ),
    PAGER,
)


INVOICES_EMPTY = InvoicesPage("", "", "", "", "", "", "1", 50, (), Pager())


INVOICE_PAGE = InvoicePage(
    INVOICE, "2026-11", "91320500MA1MXXXX0Q", "d1", "661814461322", "o0", "", 1, True
)


INVOICE_CORRECTING = replace(
    INVOICE_PAGE, dialog_open=True, errors={"reason": "必填"}, cleared_by_record_id="r1"
)


PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "enterprises": ("enterprises/list.html", ENTERPRISE_LIST, layout("/settings/enterprises")),
    "enterprises-invalid": ("enterprises/list.html", ENTERPRISE_INVALID, layout("")),
    "enterprises-empty": ("enterprises/list.html", ENTERPRISE_LIST_EMPTY, layout("")),
    "enterprise": ("enterprises/detail.html", ENTERPRISE, layout("/settings/enterprises")),
    "enterprise-handover": ("enterprises/detail.html", ENTERPRISE_HANDOVER, layout("")),
    "enterprise-stale": ("enterprises/detail.html", ENTERPRISE_STALE, layout("")),
    "enterprise-read-only": ("enterprises/detail.html", ENTERPRISE_READ_ONLY, layout("")),
    "operators": ("operators/list.html", OPERATOR_LINES, layout("/settings/operators")),
    "operators-invalid": ("operators/list.html", OPERATOR_LINES_INVALID, layout("")),
    "operators-empty": ("operators/list.html", OPERATOR_LINES_EMPTY, layout("")),
    "operator-edit": ("operators/detail.html", OPERATOR_EDIT, layout("/settings/operators")),
    "operator-handover": ("operators/detail.html", OPERATOR_HANDOVER, layout("")),
    "invoices": ("invoices/list.html", INVOICES, layout("/invoices")),
    "invoices-empty": ("invoices/list.html", INVOICES_EMPTY, layout("/invoices")),
    "invoice": ("invoices/detail.html", INVOICE_PAGE, layout("/invoices")),
    "invoice-correcting": ("invoices/detail.html", INVOICE_CORRECTING, layout("/invoices")),
}
