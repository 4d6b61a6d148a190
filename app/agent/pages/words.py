"""The agent's page in Chinese: what each value is called."""

from app.contracts.devices import DeviceKind, LinkState
from app.contracts.operations import OperationKind, OperationState, StepState

KINDS = {
    DeviceKind.TAX_DISK: "税控盘",
    DeviceKind.GOLDEN_TAX_DISK: "金税盘",
    DeviceKind.UKEY: "税务UKey",
    DeviceKind.TAX_SERVER: "税控服务器",
}
STATES = {
    LinkState.CONNECTED: "已连接",
    LinkState.DISCONNECTED: "未连接",
    LinkState.LOCKED: "已锁死",
    LinkState.FAULT: "故障",
}
OPERATION_KINDS = {
    OperationKind.REPORT: "抄报",
    OperationKind.CLEAR: "清卡",
    OperationKind.SET_CLOCK: "校准时钟",
}
OPERATION_STATES = {
    OperationState.QUEUED: "等待",
    OperationState.RUNNING: "进行中",
    OperationState.SUCCEEDED: "成功",
    OperationState.FAILED: "失败",
    OperationState.UNKNOWN: "结果待查",
}
STEP_STATES = {
    StepState.RUNNING: "进行中",
    StepState.SUCCEEDED: "成功",
    StepState.SKIPPED: "已跳过",
    StepState.FAILED: "失败",
    StepState.UNKNOWN: "不确定",
}
