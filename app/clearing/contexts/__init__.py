"""What the pages of clearing show: one frozen dataclass per page; its fields are the template's names.

States are the words of api.md (`due`, `running`, …); macros.html turns them into Chinese. Moments are
UTC; what is named "device clock" is naive. The names `me`, `nav`, `deadline`, `simulated`, `version`,
`flash` and `path` belong to the layout and may not be fields here.
"""

from app.clearing.contexts.home import Event, HomePage, MonthCount, StateCounts, Task
from app.clearing.contexts.operators import (
    CheckItem,
    ClearingForm,
    DeviceCard,
    Link,
    ListPage,
    OperatorPage,
    OperatorRow,
    StartView,
    TypeRow,
    WarningItem,
)
from app.clearing.contexts.records import (
    BackupRef,
    EvidenceStep,
    Failure,
    RecordPage,
    RecordRow,
    RecordsPage,
    RequestRef,
    TypeOutcomeRow,
)
from app.clearing.contexts.requests import (
    AttachmentRow,
    LogLine,
    NextUp,
    RecordRef,
    RequestActions,
    RequestPage,
    RequestRow,
    RequestsPage,
    StageView,
)

__all__ = [
    "AttachmentRow",
    "BackupRef",
    "CheckItem",
    "ClearingForm",
    "DeviceCard",
    "Event",
    "EvidenceStep",
    "Failure",
    "HomePage",
    "Link",
    "ListPage",
    "LogLine",
    "MonthCount",
    "NextUp",
    "OperatorPage",
    "OperatorRow",
    "RecordPage",
    "RecordRef",
    "RecordRow",
    "RecordsPage",
    "RequestActions",
    "RequestPage",
    "RequestRef",
    "RequestRow",
    "RequestsPage",
    "StageView",
    "StartView",
    "StateCounts",
    "Task",
    "TypeOutcomeRow",
    "TypeRow",
    "WarningItem",
]
