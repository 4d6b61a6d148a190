"""Why a file is refused as a whole, with codes."""

from app.errors import Invalid, NotFound


class FileRefused(Invalid):
    """The file cannot be taken; nothing of it was."""

    code = "import.file_refused"
    title = "文件不被接受"
    remedy = "请提供 Excel（.xlsx、.xls）或 CSV 文件，第一个工作表有一行表头。"


class ColumnsUnknown(Invalid):
    """The header does not tell which column holds what; a mapping is needed."""

    code = "import.columns_unknown"
    title = "没有识别出需要的列"
    remedy = "请为每个字段选择文件中的列，或把表头改成常用名称。"


class UploadNotFound(NotFound):
    """Uploads are kept for a day, for the person who made them."""

    code = "import.upload_not_found"
    title = "没有找到上传的文件"
    remedy = "上传的文件只保留一天，请重新上传。"
